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

	/** @return string[] The labels on the attachment now. */
	public static function labels( int $id ): array {
		$names = wp_get_object_terms( $id, self::TAXONOMY, array( 'fields' => 'names', 'orderby' => 'name' ) );
		return is_array( $names ) ? array_map( 'html_entity_decode', $names ) : array();
	}

	/**
	 * Adds each tag once and removes only what tagger added. Call it under the attachment's lock.
	 *
	 * @param array{add?: array, remove?: array} $offer Of the message.
	 */
	public static function apply( int $id, array $offer ): array {
		$present = array_flip( self::labels( $id ) );
		$known   = self::rows( $id );
		$removed = array();
		foreach ( (array) ( $offer['remove'] ?? array() ) as $term ) {
			if ( isset( $known[ $term ] ) && 'tagger' === $known[ $term ]->state && isset( $present[ $known[ $term ]->label ] ) ) {
				self::quietly( 'wp_remove_object_terms', $id, $known[ $term ]->label );
				unset( $present[ $known[ $term ]->label ] );
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
				$state = isset( $present[ $label ] ) ? 'person' : 'tagger';
				if ( 'tagger' === $state ) {
					self::quietly( 'wp_set_object_terms', $id, $label );
					$present[ $label ] = true;
					++$put_on;
				}
				self::remember( $id, (string) $tag['id'], $label, $state );
				$known[ $tag['id'] ] = (object) array( 'label' => $label, 'state' => $state );
			}
			$row = $known[ $tag['id'] ] ?? null;
			if ( $row && 'tagger' === $row->state && isset( $present[ $row->label ] ) ) {
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

	/** An editor added or removed these labels: tagger's rows of them are the editor's from now on. */
	public static function edited( int $id, array $labels ): void {
		global $wpdb;
		foreach ( self::rows( $id ) as $term => $row ) {
			if ( in_array( $row->label, $labels, true ) ) {
				$wpdb->update( Schema::table( 'tags' ), array( 'state' => 'person' ), array( 'attachment' => $id, 'term' => $term ) );
			}
		}
		Store::change( $id, array() );
	}

	/** As WordPress stores a term's name. */
	public static function label( string $label ): string {
		return mb_substr( Words::stored( 'alt_text', $label ), 0, 190 );
	}

	private static function quietly( string $change, int $id, string $label ): void {
		self::$writing = true;
		try {
			if ( 'wp_set_object_terms' === $change ) {
				wp_set_object_terms( $id, array( $label ), self::TAXONOMY, true );
			} else {
				wp_remove_object_terms( $id, array( $label ), self::TAXONOMY );
			}
		} finally {
			self::$writing = false;
		}
	}

	/** @return array<string, object> Term id of tagger → label and state. */
	private static function rows( int $id ): array {
		global $wpdb;
		$sql = 'SELECT term, label, state FROM ' . Schema::table( 'tags' ) . ' WHERE attachment = %d';
		return array_column( (array) $wpdb->get_results( $wpdb->prepare( $sql, $id ) ), null, 'term' );
	}

	private static function remember( int $id, string $term, string $label, string $state ): void {
		global $wpdb;
		$row = array( 'attachment' => $id, 'term' => $term, 'label' => $label, 'state' => $state );
		$wpdb->replace( Schema::table( 'tags' ), $row );
	}

	private static function forget( int $id, string $term ): void {
		global $wpdb;
		$wpdb->delete( Schema::table( 'tags' ), array( 'attachment' => $id, 'term' => $term ) );
	}
}
