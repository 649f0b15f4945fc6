<?php
/**
 * Compare and set of one text. The condition is part of the UPDATE, so that a save in wp-admin, which takes no lock, wins too.
 *
 * @package tagger
 */

namespace Tagger;

final class Texts {
	const ALT = '_wp_attachment_image_alt';

	/**
	 * The text as the database has it now; null: it was never set. Past the cache, which another request may have made old.
	 * Nothing where somebody is known to have written is a text that was taken away, also by a program.
	 */
	public static function now( int $id, string $field ): ?string {
		$text = self::stored( $id, $field );
		return null === $text && '' !== Store::field( $id, $field )->writer ? '' : $text;
	}

	private static function stored( int $id, string $field ): ?string {
		global $wpdb;
		if ( 'caption' === $field ) {
			$row = Database::row( $wpdb->prepare( "SELECT post_excerpt FROM $wpdb->posts WHERE ID = %d", $id ) );
			return $row && '' !== (string) $row->post_excerpt ? (string) $row->post_excerpt : null;
		}
		$sql = "SELECT meta_value FROM $wpdb->postmeta WHERE post_id = %d AND meta_key = %s ORDER BY meta_id LIMIT 1";
		$row = Database::row( $wpdb->prepare( $sql, $id, self::ALT ) );
		return $row ? (string) $row->meta_value : null;
	}

	/** Writes $new where $old stands. False: something else stands there by now. */
	public static function swap( int $id, string $field, ?string $old, ?string $new ): bool {
		$done = 'caption' === $field ? self::swap_caption( $id, (string) $old, (string) $new ) : self::swap_alt( $id, $old, $new );
		self::uncache( $id );
		return $done;
	}

	public static function uncache( int $id ): void {
		clean_post_cache( $id );
		wp_cache_delete( $id, 'post_meta' );
	}

	private static function swap_caption( int $id, string $old, string $new ): bool {
		global $wpdb;
		$sql = "UPDATE $wpdb->posts SET post_excerpt = %s WHERE ID = %d AND post_excerpt = BINARY %s";
		return 1 === Database::execute( $wpdb->prepare( $sql, $new, $id, $old ) );
	}

	private static function swap_alt( int $id, ?string $old, ?string $new ): bool {
		global $wpdb;
		if ( null === $old ) {
			return self::insert_alt( $id, (string) $new );
		}
		$where = 'WHERE post_id = %d AND meta_key = %s AND meta_value = BINARY %s';
		if ( null === $new ) {
			return 0 < Database::execute( $wpdb->prepare( "DELETE FROM $wpdb->postmeta $where", $id, self::ALT, $old ) );
		}
		return 0 < Database::execute( $wpdb->prepare( "UPDATE $wpdb->postmeta SET meta_value = %s $where", $new, $id, self::ALT, $old ) );
	}

	/**
	 * No key makes the row unique. An editor who inserts at the same moment keeps theirs: here the later row counts, and
	 * Watch::added removes ours if the editor's comes after this look.
	 */
	private static function insert_alt( int $id, string $new ): bool {
		global $wpdb;
		$sql = "INSERT INTO $wpdb->postmeta (post_id, meta_key, meta_value) SELECT %d, %s, %s FROM DUAL WHERE NOT EXISTS "
			. "(SELECT 1 FROM $wpdb->postmeta WHERE post_id = %d AND meta_key = %s)";
		if ( 1 !== Database::execute( $wpdb->prepare( $sql, $id, self::ALT, $new, $id, self::ALT ) ) ) {
			return false;
		}
		$mine   = (int) $wpdb->insert_id;
		$others = "SELECT count(*) AS others FROM $wpdb->postmeta WHERE post_id = %d AND meta_key = %s AND meta_id <> %d";
		if ( (int) Database::row( $wpdb->prepare( $others, $id, self::ALT, $mine ) )->others > 0 ) {
			$wpdb->delete( $wpdb->postmeta, array( 'meta_id' => $mine ) );
			return false;
		}
		return true;
	}
}
