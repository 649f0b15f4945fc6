<?php
/**
 * Standard Webhooks: sign what goes to tagger, verify what comes. Pure: no WordPress.
 *
 * @package tagger
 */

namespace Tagger;

final class Signature {
	const TOLERANCE = 300;

	/** The three headers of a message. */
	public static function headers( string $secret, string $id, int $now, string $body ): array {
		return array(
			'webhook-id'        => $id,
			'webhook-timestamp' => (string) $now,
			'webhook-signature' => 'v1,' . self::digest( $secret, $id, (string) $now, $body ),
		);
	}

	/**
	 * Whether one of the secrets signed these very bytes within five minutes of $now.
	 *
	 * @param string[] $secrets During a rotation two are valid.
	 */
	public static function valid( array $secrets, string $id, string $stamp, string $given, string $body, int $now ): bool {
		if ( ! preg_match( '/^[\x21-\x2d\x2f-\x7e]{1,256}$/D', $id ) || ! preg_match( '/^[0-9]{1,12}$/D', $stamp ) ) {
			return false; // A dot in the id could make a signed body look like the end of another id.
		}
		if ( abs( $now - (int) $stamp ) > self::TOLERANCE ) {
			return false;
		}
		$good = false;
		foreach ( $secrets as $secret ) {
			if ( ! self::usable( $secret ) ) {
				continue;
			}
			$wanted = 'v1,' . self::digest( $secret, $id, $stamp, $body );
			foreach ( explode( ' ', $given ) as $signature ) {
				$good = hash_equals( $wanted, $signature ) || $good;
			}
		}
		return $good;
	}

	/** Whether a secret is "whsec_" and the base64 of 24 to 64 bytes. */
	public static function usable( string $secret ): bool {
		$key = base64_decode( substr( $secret, 6 ), true );
		return 0 === strpos( $secret, 'whsec_' ) && is_string( $key ) && strlen( $key ) >= 24 && strlen( $key ) <= 64;
	}

	private static function digest( string $secret, string $id, string $stamp, string $body ): string {
		$key = (string) base64_decode( substr( $secret, 6 ), true );
		return base64_encode( hash_hmac( 'sha256', $id . '.' . $stamp . '.' . $body, $key, true ) );
	}
}
