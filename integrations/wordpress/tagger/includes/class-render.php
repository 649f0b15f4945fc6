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
		foreach ( self::attributes( $image ) as $attribute ) {
			if ( 'alt' === $attribute['name'] ) {
				return substr_replace( $image, 'alt="' . esc_attr( $alt ) . '"', $attribute['at'], $attribute['length'] );
			}
		}
		return (string) preg_replace_callback(
			'/^<img(?=[\s\/>])/i',
			static function ( $start ) use ( $alt ) {
				return $start[0] . ' alt="' . esc_attr( $alt ) . '"';
			},
			$image
		);
	}

	/** Whether an image has no alt, or an empty one. */
	public static function is_empty( string $image ): bool {
		foreach ( self::attributes( $image ) as $attribute ) {
			if ( 'alt' === $attribute['name'] ) {
				return '' === $attribute['value']; // Browsers read only the first one.
			}
		}
		return true;
	}

	/**
	 * One attribute after the other, because the value of one can look like another: title="no alt given".
	 *
	 * @return array<int, array{name: string, value: string, at: int, length: int}>
	 */
	private static function attributes( string $image ): array {
		$one = '/\G[\s\/]*([^\s\/>=][^\s\/>=]*)(?:\s*=\s*(?:"([^"]*)"|\'([^\']*)\'|([^\s"\'>][^\s>]*)))?/';
		preg_match_all( $one, $image, $found, PREG_SET_ORDER | PREG_OFFSET_CAPTURE, strlen( '<img' ) );
		return array_map(
			static function ( array $match ): array {
				$text = $match[0][0];
				return array(
					'name'   => strtolower( $match[1][0] ),
					'value'  => implode( '', array_column( array_slice( $match, 2 ), 0 ) ),
					'at'     => $match[1][1],
					'length' => strlen( $text ) - ( $match[1][1] - $match[0][1] ),
				);
			},
			$found
		);
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
