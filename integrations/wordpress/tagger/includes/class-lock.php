<?php
/**
 * One attachment at a time: a lock of the database, which ends with the connection when PHP dies.
 *
 * @package tagger
 */

namespace Tagger;

final class Lock {
	const SECONDS = 10;

	/** Runs $work alone for this name. Null if another holds the lock for too long. */
	public static function alone( string $name, callable $work, int $seconds = self::SECONDS ) {
		global $wpdb;
		$lock = 'tagger_' . md5( DB_NAME . $wpdb->prefix . $name );
		if ( '1' !== (string) $wpdb->get_var( $wpdb->prepare( 'SELECT GET_LOCK(%s, %d)', $lock, $seconds ) ) ) {
			return null;
		}
		try {
			return $work();
		} finally {
			$wpdb->query( $wpdb->prepare( 'SELECT RELEASE_LOCK(%s)', $lock ) );
		}
	}

	public static function attachment( int $id, callable $work ) {
		return self::alone( 'attachment ' . $id, $work );
	}
}
