<?php
/**
 * WordPress copies the alt text into a post when the picture is inserted. A picture that was inserted while its text was still
 * being made stays without one. This fills an empty alt when the page is shown, if the site wants it, and lists such posts.
 *
 * @package tagger
 */

namespace Tagger;

final class Render {
	public static function boot(): void {
		if ( Settings::get( 'fill_empty' ) ) {
			add_filter( 'wp_content_img_tag', array( self::class, 'fill' ), 10, 3 );
		}
	}

	public static function fill( string $image, string $context, int $id ): string {
		$alt = $id ? (string) get_post_meta( $id, Texts::ALT, true ) : '';
		if ( '' === $alt || ! self::is_empty( $image ) ) {
			return $image;
		}
		$without = (string) preg_replace( '/\salt(\s*=\s*(""|\'\'))?(?=[\s\/>])/i', '', $image, 1 );
		return (string) preg_replace_callback(
			'/^<img/i',
			static function () use ( $alt ) {
				return '<img alt="' . esc_attr( $alt ) . '"';
			},
			$without
		);
	}

	/** Whether an image has no alt, or an empty one. */
	public static function is_empty( string $image ): bool {
		return ! preg_match( '/\salt\s*=\s*(["\'])(?!\1)/i', $image ) && ! preg_match( '/\salt\s*=\s*[^"\'\s>]/i', $image );
	}

	/**
	 * Published posts with pictures whose alt is empty in the post, though the media library has a text.
	 *
	 * @return array<int, array{post: int, title: string, attachment: int, alt: string}>
	 */
	public static function report( int $most = 200 ): array {
		global $wpdb;
		$found = array();
		$last  = 0;
		do {
			$sql  = "SELECT ID, post_title, post_content FROM $wpdb->posts WHERE ID > %d AND post_status = 'publish' AND post_content LIKE %s ORDER BY ID LIMIT 100";
			$rows = (array) $wpdb->get_results( $wpdb->prepare( $sql, $last, '%wp-image-%' ) );
			foreach ( $rows as $row ) {
				$last = (int) $row->ID;
				preg_match_all( '/<img\s[^>]*wp-image-(\d+)[^>]*>/i', $row->post_content, $images, PREG_SET_ORDER );
				foreach ( $images as $image ) {
					$alt = (string) get_post_meta( (int) $image[1], Texts::ALT, true );
					if ( '' !== $alt && self::is_empty( $image[0] ) ) {
						$found[] = array( 'post' => $last, 'title' => $row->post_title, 'attachment' => (int) $image[1], 'alt' => $alt );
					}
				}
			}
		} while ( count( $rows ) === 100 && count( $found ) < $most );
		return array_slice( $found, 0, $most );
	}
}
