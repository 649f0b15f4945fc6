<?php
/**
 * What an editor sees of a picture: its state, the proposals, and why there is no text.
 *
 * @package tagger
 */

namespace Tagger;

final class Review {
	/** States, as they are stored: waiting, written, review, nothing, failed, kept. */
	public static function show( int $id, string $type, array $data, array $answer ): void {
		if ( 'asset.reverted' === $type ) {
			Store::change( $id, array( 'state' => '', 'told' => null ) );
			return;
		}
		if ( isset( $data['error'] ) ) {
			Store::tell( $id, array( 'error' => array_intersect_key( (array) $data['error'], array_flip( array( 'code', 'detail', 'remedy' ) ) ) ) );
			Store::change( $id, array( 'state' => 'failed' ) );
			return;
		}
		$proposals = self::texts( (array) ( $data['proposals'] ?? array() ) );
		foreach ( array_keys( $proposals ) as $field ) {
			if ( 'person' === Store::field( $id, $field )->writer ) {
				unset( $proposals[ $field ] );
			}
		}
		$others = array();
		$main   = ''; // The outcome that the picture is listed by: of the alt text, else of the caption, else of the tags.
		foreach ( self::texts( (array) ( $data['fields'] ?? array() ) ) as $field => $offer ) {
			$outcome = self::outcome( (array) $answer[ $field ] );
			$main    = '' === $main || 'alt_text' === $field ? $outcome : $main;
			if ( 'kept' === $outcome ) {
				$others[ $field ] = $offer;
			}
		}
		$main   = '' === $main ? ( $answer['tags']['outcome'] ?? '' ) : $main;
		$states = array( 'written' => 'written', 'unchanged' => 'written', 'kept' => 'kept' );
		$state  = $proposals ? 'review' : ( $states[ $main ] ?? 'nothing' );
		Store::tell(
			$id,
			array(
				'reasons'   => (array) ( $data['reasons'] ?? array() ),
				'proposals' => $proposals,
				'others'    => $others,
				'fields'    => array_diff_key( self::texts( (array) ( $data['fields'] ?? array() ) ), $others ),
			)
		);
		Store::change( $id, array( 'state' => $state ) );
	}

	/** The outcome of the text in this site's language; a message may bring others beside it. */
	private static function outcome( array $answers ): string {
		foreach ( $answers as $locale => $answer ) {
			if ( Words::fits( (string) $locale, Settings::locale() ) ) {
				return (string) $answer['outcome'];
			}
		}
		return '';
	}

	/** Field → the text in this site's language, with score, model and reasons. */
	private static function texts( array $fields ): array {
		$found = array();
		foreach ( $fields as $field => $offers ) {
			foreach ( isset( Words::LONGEST[ $field ] ) ? (array) $offers : array() as $locale => $offer ) {
				if ( Words::fits( (string) $locale, Settings::locale() ) && is_string( $offer['value'] ?? null ) ) {
					$found[ $field ] = array(
						'value'   => Words::stored( $field, $offer['value'] ),
						'score'   => $offer['score'] ?? null,
						'model'   => $offer['model'] ?? null,
						'reasons' => (array) ( $offer['reasons'] ?? array() ),
					);
				}
			}
		}
		return $found;
	}

	/** tagger will never take this picture: its answer says why. False: a message is being written, and nothing was noted. */
	public static function refused( int $id, string $code, string $detail ): bool {
		return (bool) Lock::attachment(
			$id,
			static function () use ( $id, $code, $detail ) {
				Store::tell( $id, array( 'error' => array( 'code' => $code, 'detail' => $detail, 'remedy' => '' ) ) );
				Store::change( $id, array( 'state' => 'failed' ) );
				return true;
			}
		);
	}

	/**
	 * A person decided about the field: its proposal is no longer offered, and the picture is no longer listed as tagger's.
	 * Call it under the attachment's lock.
	 */
	public static function settled( int $id, string $field ): void {
		$told = Store::told( $id );
		unset( $told['proposals'][ $field ], $told['others'][ $field ], $told['fields'][ $field ] );
		Store::tell( $id, $told );
		$state = Store::asset( $id )->state;
		if ( ! empty( $told['proposals'] ) ) {
			return;
		}
		if ( 'review' === $state || ( 'alt_text' === $field && in_array( $state, array( 'written', 'kept', 'nothing', 'failed' ), true ) ) ) {
			Store::change( $id, array( 'state' => '' ) );
		}
	}

	/** A reason of tagger's in words. */
	public static function reason( string $reason ): string {
		$known = array(
			'low_score'           => __( 'tagger is not sure enough.', 'tagger' ),
			'needs_purpose'       => __( 'The picture is a link, a button or a logo: its text must say what it is for.', 'tagger' ),
			'text_unchecked'      => __( 'The picture may hold text that was not read.', 'tagger' ),
			'redundant'           => __( 'The text repeats the title or the caption.', 'tagger' ),
			'no_caption'          => __( 'No model offered a text.', 'tagger' ),
			'no_tags'             => __( 'No tag was certain enough.', 'tagger' ),
			'not_specific'        => __( 'The text is too general.', 'tagger' ),
			'not_agreed'          => __( 'Only one of two models sees this in the picture.', 'tagger' ),
		);
		return $known[ $reason ] ?? str_replace( '_', ' ', $reason );
	}

	public static function state( string $state ): string {
		$known = array(
			'waiting' => __( 'Waiting for tagger', 'tagger' ),
			'written' => __( 'Written by tagger', 'tagger' ),
			'review'  => __( 'Needs review', 'tagger' ),
			'nothing' => __( 'Nothing to say', 'tagger' ),
			'failed'  => __( 'Failed', 'tagger' ),
			'kept'    => __( 'Your text was kept', 'tagger' ),
		);
		return $known[ $state ] ?? '';
	}
}
