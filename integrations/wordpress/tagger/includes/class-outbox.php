<?php
/**
 * What waits to be sent to tagger. A row is written in the request that changed something and sent by another process, so an
 * upload never waits for tagger. While tagger is away the rows stay; WP-Cron tries again.
 *
 * @package tagger
 */

namespace Tagger;

final class Outbox {
	const CRON       = 'tagger_outbox';
	const SECONDS    = 25;
	const FIRST_WAIT = 5;
	const MOST_WAIT  = 3600;
	const FINAL      = array( 400, 413, 422 ); // This body will never be taken.

	private static bool $woken = false;

	public static function boot(): void {
		add_action( self::CRON, array( self::class, 'flush' ) );
		add_filter( 'cron_schedules', array( self::class, 'minutely' ) );
		add_action( 'init', array( self::class, 'schedule' ) );
		add_action( 'rest_api_init', array( self::class, 'routes' ) );
	}

	public static function minutely( array $schedules ): array {
		$schedules['tagger_minute'] = array( 'interval' => 60, 'display' => 'tagger' );
		return $schedules;
	}

	public static function schedule(): void {
		if ( ! wp_next_scheduled( self::CRON ) ) {
			wp_schedule_event( time() + 60, 'tagger_minute', self::CRON );
		}
	}

	/** A hook for tagger, or, of the kind "image", the bytes of a picture. */
	public static function add( string $kind, int $attachment, array $body ): void {
		global $wpdb;
		$row = array(
			'event'      => 'evt_' . str_replace( '-', '', wp_generate_uuid4() ),
			'kind'       => $kind,
			'attachment' => $attachment,
			'body'       => (string) wp_json_encode( $body ),
			'due_at'     => time(),
		);
		$wpdb->insert( Schema::table( 'outbox' ), $row );
		self::wake();
	}

	/** A picture to describe. $again: also if this version was described before. */
	public static function picture( int $id, string $type, bool $again = false ): void {
		$revision = Asset::revision( $id ) . ( $again ? '+' . time() : '' );
		$asset    = array( 'id' => (string) $id, 'revision' => $revision, 'image' => Asset::image( $id ) );
		$body     = array( 'asset' => $asset, 'context' => Asset::context( $id ), 'locales' => array( Settings::locale() ) );
		Store::change( $id, array( 'state' => 'waiting', 'revision' => Asset::revision( $id ) ) );
		self::add( isset( $asset['image']['send'] ) ? 'image' : $type, $id, $body );
	}

	/** When this request has ended: send what waits. */
	public static function wake(): void {
		if ( ! self::$woken && Settings::ready() ) {
			self::$woken = true;
			add_action( 'shutdown', array( self::class, 'send_after_the_answer' ), 9999 );
		}
	}

	/** The browser has its answer already where PHP can do that. Elsewhere the site calls itself and does not wait; else cron sends. */
	public static function send_after_the_answer(): void {
		if ( function_exists( 'fastcgi_finish_request' ) ) {
			fastcgi_finish_request();
			self::flush();
			return;
		}
		$token = hash_hmac( 'sha256', 'tagger outbox', wp_salt( 'auth' ) );
		wp_remote_post(
			rest_url( 'tagger/v1/outbox' ),
			array(
				'blocking'  => false,
				'timeout'   => 0.25,
				'sslverify' => apply_filters( 'https_local_ssl_verify', false ),
				'headers'   => array( 'X-Tagger-Outbox' => $token ),
			)
		);
	}

	public static function routes(): void {
		register_rest_route(
			'tagger/v1',
			'/outbox',
			array(
				'methods'             => 'POST',
				'callback'            => array( self::class, 'flush' ),
				'permission_callback' => static function ( \WP_REST_Request $request ) {
					$token = hash_hmac( 'sha256', 'tagger outbox', wp_salt( 'auth' ) );
					return hash_equals( $token, (string) $request->get_header( 'x-tagger-outbox' ) );
				},
			)
		);
	}

	/** Sends what is due, one process at a time. Returns how many went. */
	public static function flush(): int {
		if ( ! Settings::ready() ) {
			return 0;
		}
		ignore_user_abort( true );
		$all = 0;
		do { // What another process added while this one ended would wait for cron.
			$sent = Lock::alone( 'outbox', array( self::class, 'send_due' ), 0 );
			$all += (int) $sent;
		} while ( $sent && self::next() );
		return $all;
	}

	public static function send_due(): int {
		$until = time() + self::SECONDS;
		$sent  = 0;
		while ( time() < $until ) {
			$row = self::next();
			if ( ! $row ) {
				break;
			}
			$status = self::send( $row );
			if ( self::settle( $row, $status ) ) {
				++$sent;
			} elseif ( 0 === $status || $status >= 500 || 429 === $status ) {
				break; // tagger is away: the others need not try now.
			}
		}
		return $sent;
	}

	private static function next(): ?object {
		global $wpdb;
		$sql = 'SELECT * FROM ' . Schema::table( 'outbox' ) . ' WHERE due_at <= %d ORDER BY id LIMIT 1';
		return $wpdb->get_row( $wpdb->prepare( $sql, time() ) );
	}

	/** HTTP status; 0 without an answer. */
	private static function send( object $row ): int {
		$data   = (array) json_decode( $row->body, true );
		$answer = 'image' === $row->kind ? self::put( $row, $data ) : self::post( $row->kind, $row->event, $data );
		if ( is_wp_error( $answer ) ) {
			$row->error = $answer->get_error_message();
			return 0;
		}
		$problem    = json_decode( wp_remote_retrieve_body( $answer ), true );
		$row->error = is_array( $problem ) ? trim( ( $problem['detail'] ?? '' ) . ' ' . ( $problem['remedy'] ?? '' ) ) : '';
		return (int) wp_remote_retrieve_response_code( $answer );
	}

	/** @return array|\WP_Error */
	public static function post( string $type, string $event, array $data ) {
		$body    = (string) wp_json_encode( array( 'type' => $type, 'data' => $data ) );
		$headers = Signature::headers( Settings::get( 'hook_secret' ), $event, time(), $body ) + array( 'Content-Type' => 'application/json' );
		$url     = Settings::api( '/v1/hooks/' . rawurlencode( Settings::get( 'site' ) ) );
		return wp_remote_post( $url, array( 'body' => $body, 'headers' => $headers, 'timeout' => 10, 'redirection' => 0 ) );
	}

	/** @return array|\WP_Error */
	private static function put( object $row, array $data ) {
		$bytes = Asset::bytes( (int) $row->attachment );
		if ( '' === $bytes ) {
			return new \WP_Error( 'tagger_bytes', __( 'The file cannot be read.', 'tagger' ) );
		}
		$query = array(
			'revision' => $data['asset']['revision'],
			'locale'   => $data['locales'][0],
			'title'    => $data['context']['title'] ?? null,
			'caption'  => $data['context']['caption'] ?? null,
		);
		$url     = Settings::api( '/v1/assets/' . $row->attachment . '/image?' . http_build_query( array_filter( $query ), '', '&', PHP_QUERY_RFC3986 ) );
		$headers = array( 'Authorization' => 'Bearer ' . Settings::get( 'api_key' ), 'Content-Type' => (string) get_post_mime_type( (int) $row->attachment ) );
		return wp_remote_request( $url, array( 'method' => 'PUT', 'body' => $bytes, 'headers' => $headers, 'timeout' => 30, 'redirection' => 0 ) );
	}

	/** Whether the row is done with. */
	private static function settle( object $row, int $status ): bool {
		global $wpdb;
		$done = $status >= 200 && $status < 300;
		if ( ! $done && ! in_array( $status, self::FINAL, true ) ) {
			$wait  = min( self::FIRST_WAIT * ( 2 ** min( (int) $row->attempts, 10 ) ), self::MOST_WAIT );
			$error = '' === (string) $row->error ? sprintf( 'HTTP %d', $status ) : $row->error;
			$next  = array( 'attempts' => $row->attempts + 1, 'due_at' => time() + $wait, 'error' => mb_substr( $error, 0, 500 ) );
			$wpdb->update( Schema::table( 'outbox' ), $next, array( 'id' => $row->id ) );
			return false;
		}
		if ( ! $done && (int) $row->attachment ) {
			Review::refused( (int) $row->attachment, $status, (string) $row->error );
		}
		$wpdb->delete( Schema::table( 'outbox' ), array( 'id' => $row->id ) );
		return $done;
	}

	/** @return array{waiting: int, error: string} */
	public static function status(): array {
		global $wpdb;
		$table = Schema::table( 'outbox' );
		return array(
			'waiting' => (int) $wpdb->get_var( "SELECT count(*) FROM $table" ),
			'error'   => (string) $wpdb->get_var( "SELECT error FROM $table WHERE attempts > 0 ORDER BY id DESC LIMIT 1" ),
		);
	}
}
