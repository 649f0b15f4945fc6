<?php
/**
 * What an administrator set. A constant TAGGER_URL, TAGGER_SITE, … in wp-config.php is used before the stored value.
 *
 * @package tagger
 */

namespace Tagger;

final class Settings {
	const OPTION   = 'tagger_settings';
	const SECRETS  = array( 'hook_secret', 'callback_secret', 'api_key' );
	const DEFAULTS = array(
		'url'             => '',
		'site'            => '',
		'hook_secret'     => '',
		'callback_secret' => '',
		'api_key'         => '',
		'send_bytes'      => '',
		'locale'          => '',
		'fill_empty'      => '',
	);

	public static function get( string $name ): string {
		$constant = 'TAGGER_' . strtoupper( $name );
		if ( defined( $constant ) ) {
			return (string) constant( $constant );
		}
		$stored = get_option( self::OPTION, array() );
		return (string) ( is_array( $stored ) && isset( $stored[ $name ] ) ? $stored[ $name ] : self::DEFAULTS[ $name ] );
	}

	public static function fixed( string $name ): bool {
		return defined( 'TAGGER_' . strtoupper( $name ) );
	}

	public static function ready(): bool {
		return '' !== self::get( 'url' ) && '' !== self::get( 'site' ) && '' !== self::get( 'hook_secret' );
	}

	public static function locale(): string {
		$set = self::get( 'locale' );
		return Words::is_locale( $set ) ? $set : Words::locale( get_locale() );
	}

	/** @return string[] The secrets that tagger may sign with, newest first. */
	public static function callback_secrets(): array {
		return array_values( array_filter( (array) preg_split( '/[\s,]+/', self::get( 'callback_secret' ) ) ) );
	}

	/** Address of a route of tagger's API. */
	public static function api( string $path ): string {
		return rtrim( self::get( 'url' ), '/' ) . $path;
	}
}
