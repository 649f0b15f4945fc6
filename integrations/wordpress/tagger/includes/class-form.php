<?php
/**
 * The edit page of an attachment sends every field, also those that the editor did not touch. If tagger wrote after the page was
 * opened, saving it is no edit of these fields, and must not put back the old words.
 *
 * @package tagger
 */

namespace Tagger;

final class Form {
	const SEEN = 'tagger_seen';

	public static function boot(): void {
		add_filter( 'update_post_metadata', array( self::class, 'alt_text' ), 10, 4 );
		add_filter( 'wp_insert_attachment_data', array( self::class, 'caption' ), 10, 2 );
	}

	/** What stood in the fields when the page was opened. */
	public static function seen( int $id ): string {
		$html = '';
		foreach ( array_keys( Words::LONGEST ) as $field ) {
			$html .= '<input type="hidden" name="' . esc_attr( self::SEEN . '[' . $field . ']' ) . '" value="' . esc_attr( (string) Texts::now( $id, $field ) ) . '">';
		}
		return $html;
	}

	public static function alt_text( $check, $id, $key, $value ) {
		if ( Texts::ALT !== $key ) {
			return $check;
		}
		$seen = self::posted( (int) $id, 'alt_text' );
		// Core has taken off markup, line breaks and blanks before it saves.
		$same = null !== $seen && in_array( (string) $value, array( $seen, wp_strip_all_tags( $seen, true ) ), true );
		return $same && self::is_old( (int) $id, 'alt_text', $seen ) ? true : $check;
	}

	/** @param array $data Slashed, as core gives it. */
	public static function caption( $data, $given ) {
		$id   = (int) ( $given['ID'] ?? 0 );
		$seen = self::posted( $id, 'caption' );
		// phpcs:ignore WordPress.Security.NonceVerification.Missing, WordPress.Security.ValidatedSanitizedInput -- compared only; core has checked the nonce of the form.
		$sent = isset( $_POST['excerpt'] ) ? self::plain( wp_unslash( $_POST['excerpt'] ) ) : null;
		if ( null !== $seen && self::plain( $seen ) === $sent && self::is_old( $id, 'caption', $seen ) ) {
			$data['post_excerpt'] = wp_slash( (string) Texts::now( $id, 'caption' ) );
		}
		return $data;
	}

	/** What the form of this attachment says the editor saw; null: this request is no such form. */
	private static function posted( int $id, string $field ): ?string {
		// phpcs:disable WordPress.Security.NonceVerification.Missing, WordPress.Security.ValidatedSanitizedInput -- compared only; core has checked the nonce of the form.
		$known = isset( $_POST[ self::SEEN ][ $field ], $_POST['post_ID'] ) && is_string( $_POST[ self::SEEN ][ $field ] );
		return $known && $id && (int) $_POST['post_ID'] === $id ? wp_unslash( $_POST[ self::SEEN ][ $field ] ) : null;
		// phpcs:enable
	}

	/** Whether tagger has written something else since. */
	private static function is_old( int $id, string $field, string $seen ): bool {
		try {
			return 'tagger' === Store::field( $id, $field )->writer && self::plain( $seen ) !== self::plain( (string) Texts::now( $id, $field ) );
		} catch ( Database_Error $failure ) {
			return false; // Then the editor's request is left as it is.
		}
	}

	/** A browser sends line breaks in its own way, and a text area loses the first one. */
	private static function plain( string $text ): string {
		return trim( str_replace( "\r\n", "\n", $text ) );
	}
}
