<?php
/**
 * One request to tagger: a hook, or the bytes of a picture.
 *
 * @package tagger
 */

namespace Tagger;

final class Sender {
	const FINAL         = array( 400, 413, 414, 422 ); // This body will never be taken.
	const READS         = 5; // A file on other storage may be away for a while; after so many attempts it is given up.
	const TITLE_CHARS   = 200; // Of an upload they are in the address, which proxies limit to about 8 kB.
	const CAPTION_CHARS = 500;

	/**
	 * Sends a row of the outbox.
	 *
	 * @return array{status: int, code: string, error: string, final: bool, own: bool} The status is 0 without an answer;
	 *         final: never send it again; own: the fault is of this row, so the others can be tried.
	 */
	public static function send( object $row ): array {
		$data = (array) json_decode( $row->body, true );
		if ( 'image' !== $row->kind ) {
			return self::told( self::post( $row->kind, $row->event, $data ) );
		}
		$read = Asset::bytes( (int) $row->attachment );
		if ( '' !== $read['error'] ) {
			$final = $read['final'] || (int) $row->attempts + 1 >= self::READS;
			return array( 'status' => 0, 'code' => $read['code'], 'error' => $read['error'], 'final' => $final, 'own' => true );
		}
		return self::told( self::put( (int) $row->attachment, $data, $read['bytes'] ) );
	}

	/** @param array|\WP_Error $answer */
	private static function told( $answer ): array {
		if ( is_wp_error( $answer ) ) {
			return array( 'status' => 0, 'code' => '', 'error' => $answer->get_error_message(), 'final' => false, 'own' => false );
		}
		$status  = (int) wp_remote_retrieve_response_code( $answer );
		$problem = json_decode( wp_remote_retrieve_body( $answer ), true );
		$error   = is_array( $problem ) ? trim( ( $problem['detail'] ?? '' ) . ' ' . ( $problem['remedy'] ?? '' ) ) : '';
		return array(
			'status' => $status,
			'code'   => 'HTTP ' . $status,
			'error'  => '' === $error ? 'HTTP ' . $status : $error,
			'final'  => in_array( $status, self::FINAL, true ),
			'own'    => $status < 500 && 429 !== $status,
		);
	}

	/** @return array|\WP_Error */
	public static function post( string $type, string $event, array $data ) {
		$body    = (string) wp_json_encode( array( 'type' => $type, 'data' => $data ) );
		$headers = Signature::headers( Settings::get( 'hook_secret' ), $event, time(), $body ) + array( 'Content-Type' => 'application/json' );
		$url     = Settings::api( '/v1/hooks/' . rawurlencode( Settings::get( 'site' ) ) );
		return wp_remote_post( $url, array( 'body' => $body, 'headers' => $headers, 'timeout' => 10, 'redirection' => 0 ) );
	}

	/** @return array|\WP_Error */
	private static function put( int $id, array $data, string $bytes ) {
		$query   = array(
			'revision' => $data['asset']['revision'],
			'locale'   => $data['locales'][0],
			'title'    => mb_substr( (string) ( $data['context']['title'] ?? '' ), 0, self::TITLE_CHARS ),
			'caption'  => mb_substr( (string) ( $data['context']['caption'] ?? '' ), 0, self::CAPTION_CHARS ),
		);
		$url     = Settings::api( '/v1/assets/' . $id . '/image?' . http_build_query( array_filter( $query ), '', '&', PHP_QUERY_RFC3986 ) );
		$headers = array( 'Authorization' => 'Bearer ' . Settings::get( 'api_key' ), 'Content-Type' => (string) get_post_mime_type( $id ) );
		return wp_remote_request( $url, array( 'method' => 'PUT', 'body' => $bytes, 'headers' => $headers, 'timeout' => 30, 'redirection' => 0 ) );
	}
}
