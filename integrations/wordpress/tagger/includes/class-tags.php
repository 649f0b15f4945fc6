<?php
/**
 * Tags of pictures: a taxonomy of the media library, and whose each tag is.
 *
 * @package tagger
 */

namespace Tagger;

final class Tags {
	const TAXONOMY = 'tagger_tag';

	/** True while tagger's own change runs, which is no edit. */
	public static bool $writing = false;

	public static function boot(): void {
		add_action( 'init', array( self::class, 'register' ) );
	}

	public static function register(): void {
		register_taxonomy(
			self::TAXONOMY,
			'attachment',
			array(
				'labels'                => array(
					'name'          => __( 'Media tags', 'tagger' ),
					'singular_name' => __( 'Media tag', 'tagger' ),
				),
				'public'                => false,
				'show_ui'               => true,
				'show_admin_column'     => true,
				'show_in_rest'          => true,
				'hierarchical'          => false,
				'update_count_callback' => '_update_generic_term_count',
				'capabilities'          => array(
					'manage_terms' => 'edit_others_posts',
					'edit_terms'   => 'edit_others_posts',
					'delete_terms' => 'edit_others_posts',
					'assign_terms' => 'upload_files',
				),
			)
		);
	}

	/**
	 * @return string[] The labels on the attachment now.
	 * @throws Database_Error An empty list would read as "a person removed all tags".
	 */
	public static function labels( int $id ): array {
		$names = wp_get_object_terms( $id, self::TAXONOMY, array( 'fields' => 'names', 'orderby' => 'name' ) );
		Database::check();
		if ( is_wp_error( $names ) ) {
			throw new Database_Error( $names->get_error_message() );
		}
		return array_map( 'html_entity_decode', $names );
	}

	/**
	 * Adds each tag once and removes only what tagger added. Call it under the attachment's lock. WordPress finds a term by its
	 * slug and without regard to case, so terms are compared by their number, never by their name.
	 *
	 * @param array{add?: array, remove?: array} $offer Of the message.
	 */
	public static function apply( int $id, array $offer ): array {
		$present = self::present( $id );
		$known   = self::rows( $id );
		$removed = array();
		foreach ( (array) ( $offer['remove'] ?? array() ) as $term ) {
			if ( isset( $known[ $term ] ) && 'tagger' === $known[ $term ]->state && isset( $present[ $known[ $term ]->tt ] ) ) {
				self::take_off( $id, $known[ $term ]->tt );
				unset( $present[ $known[ $term ]->tt ] );
				self::forget( $id, $term );
				unset( $known[ $term ] );
				$removed[] = $term;
			}
		}
		$put_on = 0;
		$added  = array();
		foreach ( (array) ( $offer['add'] ?? array() ) as $tag ) {
			$label = self::label( (string) $tag['label'] );
			if ( ! isset( $known[ $tag['id'] ] ) && '' !== $label ) {
				$tt    = self::number( $label );
				$state = isset( $present[ $tt ] ) ? 'person' : 'tagger';
				if ( 'tagger' === $state ) {
					$tt = self::put_on( $id, $label );
					if ( ! $tt ) {
						continue; // WordPress takes no such term.
					}
					$present[ $tt ] = true;
					++$put_on;
				}
				self::remember( $id, (string) $tag['id'], $label, $tt, $state );
				$known[ $tag['id'] ] = (object) array( 'label' => $label, 'tt' => $tt, 'state' => $state );
			}
			$row = $known[ $tag['id'] ] ?? null;
			if ( $row && 'tagger' === $row->state && isset( $present[ $row->tt ] ) ) {
				$added[] = (string) $tag['id'];
			}
		}
		return array(
			'outcome' => $put_on || $removed ? 'written' : 'unchanged',
			'value'   => self::labels( $id ),
			'added'   => $added,
			'removed' => $removed,
		);
	}

	/** An editor added or removed these terms: tagger's rows of them are the editor's from now on. */
	public static function edited( int $id, array $tt_ids ): void {
		global $wpdb;
		foreach ( self::rows( $id ) as $term => $row ) {
			if ( in_array( (int) $row->tt, $tt_ids, true ) ) {
				$wpdb->update( Schema::table( 'tags' ), array( 'state' => 'person' ), array( 'attachment' => $id, 'term' => $term ) );
				Database::check();
			}
		}
		Store::change( $id, array() );
	}

	/** @return array<int, bool> Numbers of the terms on the attachment now. */
	private static function present( int $id ): array {
		clean_object_term_cache( $id, 'attachment' );
		$terms = wp_get_object_terms( $id, self::TAXONOMY, array( 'fields' => 'tt_ids' ) );
		Database::check();
		if ( is_wp_error( $terms ) ) {
			throw new Database_Error( $terms->get_error_message() );
		}
		return array_fill_keys( array_map( 'intval', $terms ), true );
	}

	/** Number of the term that WordPress would take for this label; 0: it would make a new one. */
	private static function number( string $label ): int {
		$found = term_exists( $label, self::TAXONOMY );
		return is_array( $found ) ? (int) $found['term_taxonomy_id'] : 0;
	}

	/** As WordPress stores a term's name. */
	public static function label( string $label ): string {
		return mb_substr( Words::stored( 'alt_text', $label ), 0, 190 );
	}

	/** Number of the term that was put on; 0: none. */
	private static function put_on( int $id, string $label ): int {
		$numbers = self::quietly(
			static function () use ( $id, $label ) {
				return wp_set_object_terms( $id, array( $label ), self::TAXONOMY, true );
			}
		);
		return is_array( $numbers ) && $numbers ? (int) $numbers[0] : 0;
	}

	private static function take_off( int $id, int $tt ): void {
		$term = get_term_by( 'term_taxonomy_id', $tt );
		if ( $term ) {
			self::quietly(
				static function () use ( $id, $term ) {
					return wp_remove_object_terms( $id, (int) $term->term_id, self::TAXONOMY );
				}
			);
		}
	}

	private static function quietly( callable $change ) {
		self::$writing = true;
		try {
			$answer = $change();
			Database::check();
			return $answer;
		} finally {
			self::$writing = false;
		}
	}

	/** @return array<string, object> Term id of tagger → label, number of the term in WordPress, and state. */
	private static function rows( int $id ): array {
		global $wpdb;
		$sql  = 'SELECT term, label, tt, state FROM ' . Schema::table( 'tags' ) . ' WHERE attachment = %d';
		$rows = (array) $wpdb->get_results( $wpdb->prepare( $sql, $id ) );
		Database::check();
		foreach ( $rows as $row ) {
			$row->tt = (int) $row->tt;
		}
		return array_column( $rows, null, 'term' );
	}

	private static function remember( int $id, string $term, string $label, int $tt, string $state ): void {
		global $wpdb;
		$row = array( 'attachment' => $id, 'term' => $term, 'label' => $label, 'tt' => $tt, 'state' => $state );
		$wpdb->replace( Schema::table( 'tags' ), $row );
		Database::check();
	}

	private static function forget( int $id, string $term ): void {
		global $wpdb;
		$wpdb->delete( Schema::table( 'tags' ), array( 'attachment' => $id, 'term' => $term ) );
		Database::check();
	}
}
