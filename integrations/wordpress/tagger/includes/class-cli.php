<?php
/**
 * `wp tagger …`
 *
 * @package tagger
 */

namespace Tagger;

/** Describes pictures with tagger. */
final class Cli {
	/**
	 * Tests the connection with a real picture.
	 */
	public function test(): void {
		$result = Connection::run();
		foreach ( $result['steps'] as $step ) {
			\WP_CLI::line( ( $step[0] ? '✓ ' : '✗ ' ) . $step[1] );
		}
		$result['ok'] ? \WP_CLI::success( 'The connection works.' ) : \WP_CLI::error( 'The connection does not work.' );
	}

	/**
	 * Shows how many pictures are in which state, and what waits to be sent.
	 */
	public function status(): void {
		global $wpdb;
		$table = Schema::table( 'assets' );
		foreach ( (array) $wpdb->get_results( "SELECT state, count(*) AS number FROM $table WHERE state <> '' GROUP BY state ORDER BY state" ) as $row ) {
			\WP_CLI::line( sprintf( '%-10s %d', $row->state, $row->number ) );
		}
		$outbox = Outbox::status();
		\WP_CLI::line( trim( sprintf( '%-10s %d %s', 'to send', $outbox['waiting'], $outbox['error'] ) ) );
	}

	/**
	 * Sends pictures to tagger.
	 *
	 * ## OPTIONS
	 *
	 * [--ids=<ids>]
	 * : Only these attachments, with commas.
	 *
	 * [--missing]
	 * : Only pictures that never had an alt text.
	 *
	 * [--dry-run]
	 * : Only say how many.
	 */
	public function describe( array $arguments, array $options ): void {
		$query = array( 'limit' => Library::MOST );
		if ( isset( $options['ids'] ) ) {
			$query['ids'] = explode( ',', $options['ids'] );
		}
		if ( isset( $options['missing'] ) ) {
			$query['missing'] = array( 'alt_text' );
		}
		$count = 0;
		do {
			$page = Library::page( $query );
			foreach ( $page['data'] as $asset ) {
				if ( isset( $asset['trashed'] ) ) {
					continue;
				}
				++$count;
				if ( ! isset( $options['dry-run'] ) ) {
					Outbox::picture( (int) $asset['id'], 'asset.updated', true );
				}
			}
			$query['cursor'] = $page['next_cursor'];
		} while ( null !== $page['next_cursor'] );
		\WP_CLI::success( sprintf( isset( $options['dry-run'] ) ? '%d pictures would be sent.' : '%d pictures wait to be sent.', $count ) );
	}

	/**
	 * Sends what waits, now.
	 */
	public function send(): void {
		\WP_CLI::success( sprintf( '%d messages were sent.', Outbox::flush() ) );
	}

	/**
	 * Lists published posts whose pictures have an empty alt, though the media library has a text.
	 */
	public function report(): void {
		foreach ( Render::report( 10000 ) as $row ) {
			\WP_CLI::line( sprintf( "%d\t%s\t%d\t%s", $row['post'], $row['title'], $row['attachment'], $row['alt'] ) );
		}
	}
}
