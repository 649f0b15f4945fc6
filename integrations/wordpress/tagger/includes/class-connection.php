<?php
/**
 * The connection test: a real picture goes to tagger and its answer comes back, over the ways that every picture takes.
 *
 * @package tagger
 */

namespace Tagger;

final class Connection {
	const PREFIX  = 'tagger-test-';
	const SECONDS = 30;

	public static function boot(): void {
		add_action( 'wp_ajax_tagger_test', array( self::class, 'ajax' ) );
	}

	public static function is_test( string $asset ): bool {
		return 0 === strpos( $asset, self::PREFIX );
	}

	/** tagger answered for the test picture. Nothing is written; `gone` would count as a message that nobody confirmed. */
	public static function arrived( string $asset, array $data ): array {
		global $wpdb;
		$error = isset( $data['error'] ) ? array_intersect_key( (array) $data['error'], array_flip( array( 'detail', 'remedy' ) ) ) : array();
		update_option( 'tagger_test', array( 'asset' => $asset, 'error' => $error ), false );
		$test = array( 'outcome' => 'rejected', 'reason' => 'connection_test' );
		$said = array();
		foreach ( (array) ( $data['fields'] ?? array() ) as $field => $offers ) {
			$said[ $field ] = 'tags' === $field ? $test : array_fill_keys( array_keys( (array) $offers ), $test );
		}
		return $said;
	}

	public static function ajax(): void {
		check_ajax_referer( 'tagger_test' );
		if ( ! current_user_can( 'manage_options' ) ) {
			wp_send_json_error( array(), 403 );
		}
		wp_send_json( self::run() );
	}

	/** @return array{ok: bool, steps: array<int, array{0: bool, 1: string}>} */
	public static function run(): array {
		$steps = array();
		$say   = static function ( bool $good, string $text ) use ( &$steps ): bool {
			$steps[] = array( $good, $text );
			return $good;
		};
		$good = self::secrets( $say ) && self::reach( $say ) && self::round_trip( $say );
		return array( 'ok' => $good, 'steps' => $steps );
	}

	private static function secrets( callable $say ): bool {
		foreach ( array( 'url' => __( 'the address of tagger', 'tagger' ), 'site' => __( 'the site', 'tagger' ) ) as $name => $label ) {
			if ( '' === Settings::get( $name ) ) {
				/* translators: %s: name of a setting */
				return $say( false, sprintf( __( 'Enter %s and save.', 'tagger' ), $label ) );
			}
		}
		if ( ! Signature::usable( Settings::get( 'hook_secret' ) ) ) {
			return $say( false, __( 'The hook secret is not complete: it begins with whsec_.', 'tagger' ) );
		}
		if ( ! Settings::callback_secrets() || array_filter( Settings::callback_secrets(), static function ( $secret ) {
			return ! Signature::usable( $secret );
		} ) ) {
			return $say( false, __( 'The callback secret is not complete: it begins with whsec_.', 'tagger' ) );
		}
		return true;
	}

	/** An unknown type: tagger checks the signature and does nothing. */
	private static function reach( callable $say ): bool {
		$answer = Sender::post( 'connection.test', 'evt_' . wp_generate_password( 24, false ), array( 'asset' => array( 'id' => 'none' ) ) );
		if ( is_wp_error( $answer ) ) {
			/* translators: 1: address, 2: error */
			return $say( false, sprintf( __( 'tagger at %1$s does not answer: %2$s', 'tagger' ), Settings::get( 'url' ), $answer->get_error_message() ) );
		}
		$status = (int) wp_remote_retrieve_response_code( $answer );
		if ( 401 === $status || 403 === $status ) {
			return $say( false, __( 'tagger answers, but refuses the signature: check the site and the hook secret, and the clocks of both servers.', 'tagger' ) );
		}
		if ( $status < 200 || $status >= 300 ) {
			/* translators: %d: HTTP status */
			return $say( false, sprintf( __( 'Something answers with HTTP status %d, but it is not tagger: check the address.', 'tagger' ), $status ) );
		}
		return $say( true, __( 'tagger answers and accepts the signature of this site.', 'tagger' ) );
	}

	private static function round_trip( callable $say ): bool {
		$id     = self::PREFIX . strtolower( wp_generate_password( 12, false ) );
		$answer = self::send( $id );
		$status = is_wp_error( $answer ) ? 0 : (int) wp_remote_retrieve_response_code( $answer );
		if ( 202 !== $status ) {
			$problem = is_wp_error( $answer ) ? $answer->get_error_message() : wp_remote_retrieve_body( $answer );
			$told    = json_decode( (string) $problem, true );
			$detail  = is_array( $told ) ? trim( ( $told['detail'] ?? '' ) . ' ' . ( $told['remedy'] ?? '' ) ) : $problem;
			$hint    = 401 === $status ? __( 'Check the API key.', 'tagger' ) : '';
			/* translators: %s: error */
			return $say( false, trim( sprintf( __( 'tagger did not take the test picture: %s', 'tagger' ), $detail ) . ' ' . $hint ) );
		}
		$say( true, __( 'tagger took the test picture.', 'tagger' ) );
		$found = self::wait_for( $id );
		Sender::post( 'asset.deleted', 'evt_' . wp_generate_password( 24, false ), array( 'asset' => array( 'id' => $id ) ) );
		if ( null === $found ) {
			/* translators: 1: seconds, 2: address */
			return $say( false, sprintf( __( 'No answer came back within %1$d seconds. Check that tagger runs, that it has %2$s as this site\'s endpoint, and that both have the same callback secret.', 'tagger' ), self::SECONDS, rest_url( 'tagger/v1/messages' ) ) );
		}
		if ( $found['error'] ) {
			/* translators: %s: error and remedy */
			$say( false, sprintf( __( 'The answer came back, but the picture could not be described: %s', 'tagger' ), implode( ' ', $found['error'] ) ) );
			return $say( false, __( 'If tagger cannot reach this site, switch on "Send the pictures".', 'tagger' ) );
		}
		return $say( true, __( 'The answer came back with a good signature. The connection works; the test picture was removed again.', 'tagger' ) );
	}

	/** @return array|\WP_Error */
	private static function send( string $id ) {
		$file = plugin_dir_path( FILE ) . 'test.jpg';
		if ( Settings::get( 'send_bytes' ) ) {
			$headers = array( 'Authorization' => 'Bearer ' . Settings::get( 'api_key' ), 'Content-Type' => 'image/jpeg' );
			$options = array( 'method' => 'PUT', 'headers' => $headers, 'body' => (string) file_get_contents( $file ), 'timeout' => 15, 'redirection' => 0 );
			return wp_remote_request( Settings::api( '/v1/assets/' . $id . '/image' ), $options );
		}
		$asset = array( 'id' => $id, 'revision' => '1', 'image' => array( 'url' => plugins_url( 'test.jpg', FILE ) ) );
		return Sender::post( 'asset.created', 'evt_' . wp_generate_password( 24, false ), array( 'asset' => $asset ) );
	}

	private static function wait_for( string $id ): ?array {
		for ( $until = microtime( true ) + self::SECONDS; microtime( true ) < $until; usleep( 200000 ) ) {
			wp_cache_delete( 'tagger_test', 'options' );
			wp_cache_delete( 'notoptions', 'options' );
			$found = get_option( 'tagger_test' );
			if ( is_array( $found ) && $id === $found['asset'] ) {
				delete_option( 'tagger_test' );
				return $found;
			}
		}
		return null;
	}
}
