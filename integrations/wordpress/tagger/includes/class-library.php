<?php
/**
 * `library.page`: the pictures of the media library by their id, so that a cursor neither skips nor repeats one.
 *
 * @package tagger
 */

namespace Tagger;

final class Library {
	const MOST = 200;

	/** @throws Database_Error An empty list would read as "all pictures were deleted". */
	public static function page( array $query ): array {
		global $wpdb;
		list( $where, $values ) = self::chosen( $query );
		$assets = Schema::table( 'assets' );
		$from   = "FROM $wpdb->posts AS p LEFT JOIN $assets AS a ON a.attachment = p.ID WHERE $where";
		$limit  = max( 1, min( self::MOST, (int) ( $query['limit'] ?? 50 ) ) );
		$total  = (int) $wpdb->get_var( self::prepared( "SELECT count(*) $from", $values ) );
		Database::check();
		$sql    = "SELECT p.ID, GREATEST(p.post_modified_gmt, COALESCE(a.changed_at, p.post_modified_gmt)) AS changed $from AND p.ID > %d ORDER BY p.ID LIMIT %d";
		$rows   = (array) $wpdb->get_results( self::prepared( $sql, array_merge( $values, array( (int) ( $query['cursor'] ?? 0 ), $limit + 1 ) ) ) );
		Database::check();
		$shown  = array_slice( $rows, 0, $limit );
		return array(
			'data'        => array_map( array( self::class, 'listed' ), $shown ),
			'next_cursor' => count( $rows ) > $limit ? (string) end( $shown )->ID : null,
			'total'       => $total,
		);
	}

	/** @return array{0: string, 1: array} The condition, and its values. */
	private static function chosen( array $query ): array {
		global $wpdb;
		$where  = "p.post_type = 'attachment' AND p.post_mime_type LIKE 'image/%%'";
		$values = array();
		if ( ! isset( $query['ids'] ) ) { // Who asks for a picture by its id learns that it is in the trash: it is not deleted.
			$where .= " AND p.post_status <> 'trash'";
		}
		if ( isset( $query['since'] ) ) {
			$where   .= ' AND GREATEST(p.post_modified_gmt, COALESCE(a.changed_at, p.post_modified_gmt)) >= %s';
			$values[] = gmdate( 'Y-m-d H:i:s', (int) strtotime( (string) $query['since'] ) );
		}
		if ( isset( $query['ids'] ) ) {
			$ids    = array_slice( array_map( 'intval', (array) $query['ids'] ), 0, self::MOST );
			$ids    = $ids ? $ids : array( 0 );
			$where .= ' AND p.ID IN (' . implode( ',', array_fill( 0, count( $ids ), '%d' ) ) . ')';
			$values = array_merge( $values, $ids );
		}
		$missing = array();
		$fields  = Schema::table( 'fields' );
		$unknown = "NOT EXISTS (SELECT 1 FROM $fields AS f WHERE f.attachment = p.ID AND f.field = %s AND f.writer <> '')";
		foreach ( (array) ( $query['missing'] ?? array() ) as $field ) {
			if ( 'alt_text' === $field ) {
				$missing[] = "(NOT EXISTS (SELECT 1 FROM $wpdb->postmeta AS m WHERE m.post_id = p.ID AND m.meta_key = %s) AND $unknown)";
				array_push( $values, Texts::ALT, $field );
			} elseif ( 'caption' === $field ) {
				$missing[] = "(p.post_excerpt = '' AND $unknown)";
				$values[]  = $field;
			}
		}
		return array( $missing ? $where . ' AND (' . implode( ' OR ', $missing ) . ')' : $where, $values );
	}

	private static function prepared( string $sql, array $values ): string {
		global $wpdb;
		return $values ? (string) $wpdb->prepare( $sql, $values ) : str_replace( '%%', '%', $sql );
	}

	public static function listed( object $row ): array {
		$id       = (int) $row->ID;
		$revision = Asset::revision( $id );
		Database::check(); // Without its file the picture would look like a new version.
		$texts    = array();
		$locale   = Settings::locale();
		foreach ( array_keys( Words::LONGEST ) as $field ) {
			$texts[ $field ] = array( $locale => self::text( $id, $field ) );
		}
		$texts['tags'] = array( 'labels' => Tags::labels( $id ) );
		$trashed       = 'trash' === get_post( $id )->post_status ? array( 'trashed' => true ) : array();
		return $trashed + array(
			'id'          => (string) $id,
			'revision'    => $revision,
			'modified_at' => gmdate( 'Y-m-d\TH:i:s\Z', (int) strtotime( $row->changed . ' UTC' ) ),
			'image'       => Asset::image( $id ),
			'context'     => Asset::context( $id ) + array(
				'filename'     => wp_basename( (string) get_attached_file( $id ) ),
				'parent_title' => Asset::parent_title( $id ),
			),
			'fields'      => $texts,
		);
	}

	private static function text( int $id, string $field ): array {
		$now    = Texts::now( $id, $field );
		$row    = Store::field( $id, $field );
		$writer = 'person' === $row->writer ? 'person' : 'unknown';
		if ( 'tagger' === $row->writer && Words::hash( $now ) === $row->hash ) {
			$writer = 'tagger';
		} elseif ( 'caption' === $field && '' === $row->writer && null !== $now ) {
			$writer = 'import'; // It was there when the file came, from EXIF or IPTC.
		}
		return array( 'value' => $now, 'writer' => $writer );
	}
}
