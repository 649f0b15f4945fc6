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
	const FAILURES   = 3; // One after the other: tagger is away, and the others need not try now.
	const PICTURES   = array( 'image', 'asset.created', 'asset.updated' );

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

	/** Sends what is due, one process at a time, for at most SECONDS and one request. Returns how many went. */
	public static function flush(): int {
		if ( ! Settings::ready() ) {
			return 0;
		}
		ignore_user_abort( true );
		$until  = time() + self::SECONDS;
		$failed = 0;
		$all    = 0;
		do { // What another process added while this one ended would wait for cron.
			$sent = Lock::alone(
				'outbox',
				static function () use ( $until, &$failed ) {
					return self::send_due( $until, $failed );
				},
				0
			);
			$all += (int) $sent;
		} while ( $sent && $failed < self::FAILURES && time() < $until && self::next() );
		return $all;
	}

	/** @param int $failed How many requests failed one after the other because tagger is away. */
	private static function send_due( int $until, int &$failed ): int {
		$sent = 0;
		while ( $failed < self::FAILURES && time() < $until ) {
			$row = self::next();
			if ( ! $row ) {
				break;
			}
			self::book( $row );
			$answer = Sender::send( $row );
			$sent += self::settle( $row, $answer );
			if ( 429 === $answer['status'] ) {
				$failed = self::FAILURES; // tagger asks to wait.
			} else {
				$failed = $answer['own'] ? 0 : $failed + 1;
			}
		}
		return $sent;
	}

	/** What was never tried comes first, so that no number of broken rows holds it up. The rows of a picture keep their order. */
	private static function next(): ?object {
		global $wpdb;
		$table = Schema::table( 'outbox' );
		$first = "NOT EXISTS (SELECT 1 FROM $table AS before_it WHERE before_it.attachment = o.attachment AND before_it.id < o.id)";
		foreach ( array( 'o.attempts = 0', 'o.attempts > 0' ) as $which ) {
			$sql = "SELECT o.* FROM $table AS o WHERE $which AND o.due_at <= %d AND (o.attachment = 0 OR $first) ORDER BY o.due_at, o.id LIMIT 1";
			$row = $wpdb->get_row( $wpdb->prepare( $sql, time() ) );
			if ( $row ) {
				return $row;
			}
		}
		return null;
	}

	/** The attempt counts before it is made: a row on which PHP dies must not be first again. */
	private static function book( object $row ): void {
		global $wpdb;
		$wait = min( self::FIRST_WAIT * ( 2 ** min( (int) $row->attempts, 10 ) ), self::MOST_WAIT );
		$next = array( 'attempts' => $row->attempts + 1, 'due_at' => time() + $wait );
		$wpdb->update( Schema::table( 'outbox' ), $next, array( 'id' => $row->id ) );
	}

	/** How many went: 1 or 0. */
	private static function settle( object $row, array $answer ): int {
		global $wpdb;
		$done = $answer['status'] >= 200 && $answer['status'] < 300;
		if ( ! $done && ! $answer['final'] ) {
			$wpdb->update( Schema::table( 'outbox' ), array( 'error' => mb_substr( $answer['error'], 0, 500 ) ), array( 'id' => $row->id ) );
			return 0;
		}
		$is_noted = $done || ! in_array( $row->kind, self::PICTURES, true );
		if ( ! $is_noted && ! Review::refused( (int) $row->attachment, $answer['code'], $answer['error'] ) ) {
			return 0; // Next time.
		}
		$wpdb->delete( Schema::table( 'outbox' ), array( 'id' => $row->id ) );
		return $done ? 1 : 0;
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
