<?php
/**
 * `asset.reverted`: puts back what tagger replaced, where tagger's own text still stands.
 *
 * @package tagger
 */

namespace Tagger;

final class Revert {
	/** @param string|null $value The text to put back; null: as if the field was never set. */
	public static function text( int $id, string $field, ?string $value, array $current ): array {
		$now = Texts::now( $id, $field );
		if ( $now === $value ) {
			return array( 'outcome' => 'unchanged', 'value' => $value );
		}
		$kept = array( 'outcome' => 'kept', 'reason' => 'edited_by_person' );
		if ( 'tagger' !== Store::field( $id, $field )->writer || ! in_array( Words::hash( $now ), $current, true ) ) {
			return $kept;
		}
		if ( ! Texts::swap( $id, $field, $now, $value ) ) {
			return $kept;
		}
		if ( null === $value ) {
			Store::forget_field( $id, $field );
		} else {
			Store::wrote( $id, $field, 'tagger', $value );
		}
		return array( 'outcome' => 'written', 'value' => $value );
	}
}
