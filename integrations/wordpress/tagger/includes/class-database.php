<?php
/**
 * Questions to the database whose failure is told. $wpdb answers "nothing" when a query fails, which would read as "no such row".
 *
 * @package tagger
 */

namespace Tagger;

final class Database {
	/** The first row; null: there is none. */
	public static function row( string $sql ): ?object {
		global $wpdb;
		$row = $wpdb->get_row( $sql );
		self::check();
		return $row;
	}

	/** How many rows the statement changed. */
	public static function execute( string $sql ): int {
		global $wpdb;
		$changed = $wpdb->query( $sql );
		self::check();
		return (int) $changed;
	}

	/** Fails if the last statement failed. */
	public static function check(): void {
		global $wpdb;
		if ( '' !== (string) $wpdb->last_error ) {
			throw new Database_Error( $wpdb->last_error );
		}
	}

	/** All of $work's changes, or none. Where the tables are not InnoDB, each change stands for itself. */
	public static function together( callable $work ) {
		global $wpdb;
		self::execute( 'START TRANSACTION' );
		try {
			$answer = $work();
			self::execute( 'COMMIT' );
			return $answer;
		} catch ( \Throwable $failure ) {
			$wpdb->query( 'ROLLBACK' );
			throw $failure;
		}
	}
}
