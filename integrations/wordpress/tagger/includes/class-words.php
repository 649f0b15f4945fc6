<?php
/**
 * The rules about one text: how it is stored, and whether tagger may replace what stands there. Pure: no WordPress.
 *
 * @package tagger
 */

namespace Tagger;

final class Words {
	const LONGEST = array(
		'alt_text' => 1000,
		'caption'  => 5000,
	);

	/** A model's text without markup and line breaks. A caption is HTML when it is shown, so it is escaped. */
	public static function stored( string $field, string $value ): string {
		$plain = preg_replace( '@<(script|style)[^>]*?>.*?</\1>@si', '', $value );
		$plain = trim( (string) preg_replace( '/\s+/u', ' ', strip_tags( (string) $plain ) ) );
		return 'caption' === $field ? htmlspecialchars( $plain, ENT_NOQUOTES, 'UTF-8', false ) : $plain;
	}

	/** "sha256:…" of a text; null of null. */
	public static function hash( ?string $value ): ?string {
		return null === $value ? null : 'sha256:' . hash( 'sha256', $value );
	}

	/**
	 * What to answer, and whether to write.
	 *
	 * @param string|null $now     The text as it stands; null: it was never set.
	 * @param string      $writer  Who wrote last: "tagger", "person" or "" where nobody is known.
	 * @param string|null $new     The text to store; null, in an undo: as if the field was never set.
	 * @param array       $current if_current.in of the message.
	 * @return array{0: string, 1: string} Outcome and reason; the outcome "write" asks for the conditional write.
	 */
	public static function judge( ?string $now, string $writer, ?string $new, array $current ): array {
		if ( 'person' === $writer ) {
			return array( 'kept', 'edited_by_person' );
		}
		if ( $now === $new ) {
			return array( 'unchanged', '' );
		}
		if ( ! in_array( self::hash( $now ), $current, true ) ) {
			return array( 'kept', 'not_what_tagger_wrote' );
		}
		return array( 'write', '' );
	}

	/** The locale of tagger that a site's language means: en_US is en, zh_CN is zh-Hans. */
	public static function locale( string $wordpress ): string {
		$chinese = array(
			'zh_CN' => 'zh-Hans',
			'zh_SG' => 'zh-Hans',
			'zh_TW' => 'zh-Hant',
			'zh_HK' => 'zh-Hant',
		);
		if ( isset( $chinese[ $wordpress ] ) ) {
			return $chinese[ $wordpress ];
		}
		$parts = explode( '_', $wordpress );
		return 'pt' === $parts[0] && isset( $parts[1] ) ? 'pt-' . $parts[1] : strtolower( $parts[0] );
	}

	/** Whether tagger reads it as a language: en, pt-BR, zh-Hans. */
	public static function is_locale( string $given ): bool {
		return strlen( $given ) <= 35 && 1 === preg_match( '/^[a-z]{2,3}([-_][a-z0-9]{2,8})*$/iD', $given );
	}

	/** Whether a text in $offered belongs into the only field, whose language is $mine. */
	public static function fits( string $offered, string $mine ): bool {
		$offered = strtolower( str_replace( '_', '-', $offered ) );
		$mine    = strtolower( $mine );
		if ( $offered === $mine ) {
			return true;
		}
		$script = '/^zh/';
		return ! preg_match( $script, $mine ) && strtok( $offered, '-' ) === strtok( $mine, '-' );
	}
}
