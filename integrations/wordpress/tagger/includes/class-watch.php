<?php
/**
 * Sees what happens in the media library: uploads, words that a person changed, deletions. tagger's own writes pass by here.
 *
 * @package tagger
 */

namespace Tagger;

final class Watch {
	/** Attachments that this request deletes: core takes off their words afterwards, which is no edit. */
	private static array $deleting = array();

	public static function boot(): void {
		add_filter( 'wp_generate_attachment_metadata', array( self::class, 'generated' ), 9999, 2 );
		add_filter( 'wp_update_attachment_metadata', array( self::class, 'changed' ), 9999, 2 );
		add_action( 'untrashed_post', array( self::class, 'untrashed' ) );
		add_action( 'added_post_meta', array( self::class, 'added' ), 10, 4 );
		add_action( 'updated_post_meta', array( self::class, 'updated' ), 10, 4 );
		add_action( 'deleted_post_meta', array( self::class, 'removed' ), 10, 3 );
		add_action( 'attachment_updated', array( self::class, 'caption' ), 10, 3 );
		add_action( 'added_term_relationship', array( self::class, 'tagged' ), 10, 3 );
		add_action( 'deleted_term_relationships', array( self::class, 'untagged' ), 10, 3 );
		add_action( 'delete_attachment', array( self::class, 'deleted' ) );
	}

	/** The sub-sizes exist. Core saves $metadata after this filter, so the picture is announced when the request ends. */
	public static function generated( $metadata, $id ) {
		if ( is_array( $metadata ) ) {
			self::at_the_end( (int) $id, array( self::class, 'announce' ) );
		}
		return $metadata;
	}

	/**
	 * The classic image editor crops and rotates without making the sub-sizes anew by the filter above. Programs that only
	 * recompress a file change its size alone: that is the same picture.
	 */
	public static function changed( $metadata, $id ) {
		$before = wp_get_attachment_metadata( (int) $id, true );
		$view   = array_flip( array( 'file', 'width', 'height' ) );
		if ( is_array( $metadata ) && is_array( $before ) && array_intersect_key( $metadata, $view ) != array_intersect_key( $before, $view ) ) { // phpcs:ignore Universal.Operators.StrictComparisons -- numbers may be strings.
			self::at_the_end( (int) $id, array( self::class, 'announce' ) );
		}
		return $metadata;
	}

	/** While it was in the trash, tagger was told that it is gone. */
	public static function untrashed( $id ): void {
		if ( 'attachment' === get_post_type( (int) $id ) ) {
			self::at_the_end(
				(int) $id,
				static function ( int $id ) {
					if ( '' !== Store::asset( $id )->revision ) {
						Outbox::picture( $id, 'asset.updated', true );
					}
				}
			);
		}
	}

	/** When the request has ended: a failure of ours must not be the editor's. */
	private static function at_the_end( int $id, callable $work ): void {
		if ( Settings::ready() && Asset::is_picture( $id ) ) {
			add_action(
				'shutdown',
				static function () use ( $id, $work ) {
					try {
						$work( $id );
					} catch ( Database_Error $failure ) {
						error_log( "tagger: attachment $id was not announced: " . $failure->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions
					}
				},
				1
			);
		}
	}

	/** A picture from before the plugin whose thumbnails are made anew is no upload: a backfill describes old libraries. */
	public static function announce( int $id ): void {
		$post = get_post( $id );
		if ( ! $post ) {
			return;
		}
		$known = Store::asset( $id )->revision;
		if ( '' === $known && strtotime( $post->post_modified_gmt . ' UTC' ) < time() - DAY_IN_SECONDS ) {
			Store::change( $id, array( 'revision' => Asset::revision( $id ) ) );
			return;
		}
		if ( $known === Asset::revision( $id ) ) {
			return; // Thumbnails were made anew; the picture is the same.
		}
		Outbox::picture( $id, '' === $known ? 'asset.created' : 'asset.updated' );
	}

	public static function added( $meta_id, $id, $key, $value ): void {
		global $wpdb;
		if ( Texts::ALT !== $key || 'attachment' !== get_post_type( (int) $id ) ) {
			return;
		}
		// An alt text is one row. tagger may have written one since this request looked: the editor's counts.
		$sql = "DELETE FROM $wpdb->postmeta WHERE post_id = %d AND meta_key = %s AND meta_id <> %d";
		if ( $wpdb->query( $wpdb->prepare( $sql, $id, $key, $meta_id ) ) ) {
			wp_cache_delete( (int) $id, 'post_meta' );
		}
		self::edited( (int) $id, 'alt_text', (string) $value );
	}

	public static function updated( $meta_id, $id, $key, $value ): void {
		if ( Texts::ALT === $key && 'attachment' === get_post_type( (int) $id ) ) {
			self::edited( (int) $id, 'alt_text', (string) $value );
		}
	}

	public static function removed( $meta_ids, $id, $key ): void {
		if ( Texts::ALT === $key && 'attachment' === get_post_type( (int) $id ) ) {
			self::edited( (int) $id, 'alt_text', '' );
		}
	}

	public static function caption( $id, $after, $before ): void {
		if ( $after->post_excerpt !== $before->post_excerpt ) {
			self::edited( (int) $id, 'caption', $after->post_excerpt );
		}
	}

	/** Another program's change (import, cron, WP-CLI) is no person's, but it is not what tagger wrote either, so it stays too. */
	private static function edited( int $id, string $field, string $value ): void {
		if ( ! get_current_user_id() || isset( self::$deleting[ $id ] ) ) {
			return;
		}
		self::alone(
			$id,
			static function () use ( $id, $field, $value ) {
				$before = Store::field( $id, $field )->hash;
				Store::wrote( $id, $field, 'person', $value );
				Review::settled( $id, $field );
				self::tell( $id, array( $field => array( Settings::locale() => array( 'value' => $value, 'was' => '' === $before ? null : $before ) ) ) );
			}
		);
	}

	/**
	 * Under the lock: a write of tagger's that runs now must not name itself the writer after this. If the lock does not come
	 * free, the edit is noted without it: the person's words stand already. The person's request never fails because of tagger.
	 */
	private static function alone( int $id, callable $note ): void {
		$noted = false;
		$once  = static function () use ( $note, &$noted ) {
			$noted = true;
			$note();
		};
		try {
			Lock::attachment( $id, $once );
			if ( ! $noted ) {
				$once();
			}
		} catch ( Database_Error $failure ) {
			error_log( "tagger: the edit of attachment $id was not noted: " . $failure->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions
		}
	}

	public static function tagged( $id, $tt_id, $taxonomy ): void {
		self::tags( (int) $id, (string) $taxonomy, array( $tt_id ), 'added' );
	}

	public static function untagged( $id, $tt_ids, $taxonomy ): void {
		self::tags( (int) $id, (string) $taxonomy, (array) $tt_ids, 'removed' );
	}

	private static function tags( int $id, string $taxonomy, array $tt_ids, string $what ): void {
		if ( Tags::TAXONOMY !== $taxonomy || Tags::$writing || ! get_current_user_id() || isset( self::$deleting[ $id ] ) ) {
			return;
		}
		$labels = array();
		foreach ( $tt_ids as $tt_id ) {
			$term = get_term_by( 'term_taxonomy_id', (int) $tt_id );
			if ( $term ) {
				$labels[] = html_entity_decode( $term->name );
			}
		}
		if ( $labels ) {
			self::alone(
				$id,
				static function () use ( $id, $tt_ids ) {
					Tags::edited( $id, array_map( 'intval', $tt_ids ) );
				}
			);
			self::tell( $id, array( 'tags' => array( $what => $labels ) ) );
		}
	}

	private static function tell( int $id, array $fields ): void {
		if ( Settings::ready() && Asset::is_picture( $id ) ) {
			Outbox::add( 'asset.edited', $id, array( 'asset' => array( 'id' => (string) $id ), 'by' => 'person', 'fields' => $fields ) );
		}
	}

	public static function deleted( $id ): void {
		global $wpdb;
		self::$deleting[ (int) $id ] = true;
		if ( Settings::ready() && Asset::is_picture( (int) $id ) ) {
			$wpdb->delete( Schema::table( 'outbox' ), array( 'attachment' => (int) $id ) );
			Outbox::add( 'asset.deleted', 0, array( 'asset' => array( 'id' => (string) $id ) ) );
		}
		Store::forget( (int) $id );
	}
}
