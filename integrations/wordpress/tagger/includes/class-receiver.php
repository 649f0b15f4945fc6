<?php
/**
 * `POST /wp-json/tagger/v1/messages`: tagger's messages. Who signed is checked; no WordPress user takes part.
 *
 * @package tagger
 */

namespace Tagger;

final class Receiver {
	const TYPES = array( 'asset.described', 'asset.failed', 'asset.reverted', 'library.page', 'site.probe', 'webhook.test' );

	const LOCKED = array( 'outcome' => 'kept', 'reason' => 'locked_by_person' );

	public static function boot(): void {
		add_action( 'rest_api_init', array( self::class, 'routes' ) );
	}

	public static function routes(): void {
		register_rest_route(
			'tagger/v1',
			'/messages',
			array(
				'methods'             => 'POST',
				'callback'            => array( self::class, 'receive' ),
				'permission_callback' => array( self::class, 'signed' ),
			)
		);
	}

	/** @return true|\WP_Error */
	public static function signed( \WP_REST_Request $request ) {
		$good = Signature::valid(
			Settings::callback_secrets(),
			(string) $request->get_header( 'webhook-id' ),
			(string) $request->get_header( 'webhook-timestamp' ),
			(string) $request->get_header( 'webhook-signature' ),
			(string) $request->get_body(),
			time()
		);
		return $good ? true : new \WP_Error( 'tagger_signature', __( 'The message is not signed by your tagger.', 'tagger' ), array( 'status' => 401 ) );
	}

	/** @return \WP_REST_Response */
	public static function receive( \WP_REST_Request $request ) {
		$message = json_decode( $request->get_body(), true );
		$type    = is_array( $message ) ? ( $message['type'] ?? '' ) : '';
		$data    = is_array( $message ) ? (array) ( $message['data'] ?? array() ) : array();
		if ( 'site.probe' === $type ) {
			return new \WP_REST_Response( self::capabilities() );
		}
		if ( 'library.page' === $type ) {
			try {
				return new \WP_REST_Response( Library::page( $data ) );
			} catch ( Database_Error $failure ) {
				return self::failed( $failure );
			}
		}
		if ( ! in_array( $type, array( 'asset.described', 'asset.failed', 'asset.reverted' ), true ) ) {
			return new \WP_REST_Response( null, 204 );
		}
		$id = (string) ( $data['asset']['id'] ?? '' );
		if ( '' === $id || ! isset( $data['sequence'] ) ) {
			return new \WP_REST_Response( array( 'detail' => 'The message names no asset or no sequence.' ), 422 );
		}
		if ( Connection::is_test( $id ) ) {
			return new \WP_REST_Response( array( 'fields' => Connection::arrived( $id, $data ) ) );
		}
		$delivery = (string) $request->get_header( 'webhook-id' );
		$work     = static function () use ( $id, $type, $data, $delivery ) {
			return self::apply( $id, $type, $data, $delivery );
		};
		try {
			$answer = Lock::attachment(
				(int) $id,
				static function () use ( $work ) {
					return Database::together( $work );
				}
			);
		} catch ( Database_Error $failure ) {
			return self::failed( $failure );
		} finally { // Another request may have read the old words into the cache before they were committed.
			Texts::uncache( (int) $id );
			clean_object_term_cache( (int) $id, 'attachment' );
		}
		if ( null === $answer ) {
			return new \WP_REST_Response( array( 'detail' => 'The attachment is in use.' ), 503, array( 'Retry-After' => '1' ) );
		}
		if ( isset( $answer['reason'] ) ) { // No field can say it: the message has none.
			return new \WP_REST_Response( array( 'fields' => new \stdClass() ) + $answer );
		}
		return new \WP_REST_Response( array( 'fields' => $answer ? $answer : new \stdClass() ) );
	}

	private static function failed( Database_Error $failure ): \WP_REST_Response {
		$detail = 'The database of WordPress failed: ' . $failure->getMessage();
		return new \WP_REST_Response( array( 'detail' => $detail ), 503, array( 'Retry-After' => '5' ) );
	}

	public static function capabilities(): array {
		return array(
			'cms'         => 'WordPress',
			'cms_version' => get_bloginfo( 'version' ),
			'plugin'      => VERSION,
			'fields'      => array( 'alt_text', 'caption', 'tags' ),
			'locales'     => array( Settings::locale() ),
			'longest'     => Words::LONGEST,
			'strict'      => true,
			'types'       => self::TYPES,
		);
	}

	/** The outcome of each field; the refusal itself if a message without fields is late. Runs alone for this attachment. */
	private static function apply( string $given, string $type, array $data, string $delivery ): array {
		$id     = (int) $given;
		$fields = (array) ( $data['fields'] ?? array() );
		$post   = ctype_digit( $given ) ? get_post( $id ) : null;
		if ( ! $post || 'attachment' !== $post->post_type || 'trash' === $post->post_status ) {
			return self::all( $fields, array( 'outcome' => 'gone' ) );
		}
		$asset    = Store::asset( $id );
		$sequence = (int) $data['sequence'];
		$same     = (int) $asset->sequence === $sequence && $asset->delivery === $delivery;
		if ( ! $same && $sequence <= (int) $asset->sequence ) {
			$late = array( 'outcome' => 'rejected', 'reason' => 'stale_sequence', 'sequence' => (int) $asset->sequence );
			return $fields ? self::all( $fields, $late ) : $late;
		}
		Store::change( $id, array( 'sequence' => $sequence, 'delivery' => $delivery ) );
		$undo   = 'asset.reverted' === $type;
		$answer = array();
		foreach ( $fields as $field => $offers ) {
			if ( 'tags' === $field ) {
				$answer[ $field ] = $asset->locked ? self::LOCKED : Tags::apply( $id, (array) $offers );
				continue;
			}
			foreach ( (array) $offers as $locale => $offer ) {
				$answer[ $field ][ $locale ] = self::text( $id, $field, (string) $locale, (array) $offer, $delivery, $undo );
			}
		}
		Review::show( $id, $type, $data, $answer );
		if ( Store::asset( $id )->delivery !== $delivery ) { // After a deadlock the database has taken back all of it.
			throw new Database_Error( 'The changes were taken back.' );
		}
		return $answer;
	}

	private static function text( int $id, string $field, string $locale, array $offer, string $delivery, bool $undo ): array {
		if ( ! isset( Words::LONGEST[ $field ] ) ) {
			return array( 'outcome' => 'rejected', 'reason' => 'unknown_field' );
		}
		if ( ! Words::fits( $locale, Settings::locale() ) ) {
			return array( 'outcome' => 'rejected', 'reason' => 'unknown_locale' );
		}
		if ( Store::asset( $id )->locked ) {
			return self::LOCKED;
		}
		$current = (array) ( $offer['if_current']['in'] ?? array() );
		if ( $undo ) {
			return Revert::text( $id, $field, isset( $offer['value'] ) ? (string) $offer['value'] : null, $current );
		}
		$new = Words::stored( $field, (string) ( $offer['value'] ?? '' ) );
		if ( mb_strlen( $new ) > Words::LONGEST[ $field ] ) {
			return array( 'outcome' => 'rejected', 'reason' => 'too_long' );
		}
		$now                        = Texts::now( $id, $field );
		$row                        = Store::field( $id, $field );
		list( $outcome, $reason )   = Words::judge( $now, $row->writer, $new, $current );
		if ( 'write' === $outcome ) {
			if ( ! Texts::swap( $id, $field, $now, $new ) ) {
				return array( 'outcome' => 'kept', 'reason' => 'edited_by_person' );
			}
			Store::wrote( $id, $field, 'tagger', $new, $delivery, $now );
			return array( 'outcome' => 'written', 'value' => $new, 'previous' => $now );
		}
		if ( 'unchanged' === $outcome ) {
			$previous = $row->delivery === $delivery && 'tagger' === $row->writer ? array( 'previous' => $row->previous ) : array();
			return array( 'outcome' => 'unchanged', 'value' => $new ) + $previous;
		}
		return array( 'outcome' => $outcome, 'reason' => $reason );
	}

	private static function all( array $fields, array $answer ): array {
		$said = array();
		foreach ( $fields as $field => $offers ) {
			$said[ $field ] = 'tags' === $field ? $answer : array_map(
				static function () use ( $answer ) {
					return $answer;
				},
				(array) $offers
			);
		}
		return $said;
	}
}
