"""Messages of tagger that meet a failing database, another process, or an editor's hand. The test speaks as tagger."""

from __future__ import annotations

import json
from typing import Any

import pytest

from peers.joined import PHOTOS, Joined

PHP = r"""
global $wpdb;
add_filter('pre_http_request', function () { return new WP_Error('stop', 'nobody is asked in this test'); });
foreach (['settings-page', 'form', 'box'] as $name) require_once WP_PLUGIN_DIR . "/tagger/includes/class-$name.php";
require_once ABSPATH . 'wp-admin/includes/admin.php';
Tagger\Form::boot(); // as in wp-admin
$wpdb->suppress_errors(true);
$id = wp_insert_attachment(['post_mime_type' => 'image/jpeg', 'post_title' => 'a', 'post_status' => 'inherit'], '/nowhere/a.jpg');
$sequence = 0;
$send = function ($data, $delivery = '') use ($id, &$sequence) {
    $request = new WP_REST_Request('POST');
    $request->set_header('webhook-id', $delivery ?: 'd' . ++$sequence);
    $data += ['asset' => ['id' => (string) $id], 'sequence' => $sequence, 'fields' => [], 'proposals' => [], 'reasons' => []];
    $request->set_body(json_encode(['type' => 'asset.described', 'data' => $data]));
    return Tagger\Receiver::receive($request);
};
$offer = fn($text, ...$current) => ['en' => ['value' => $text, 'if_current' => ['in' => $current ?: [null]]]];
$failing = function ($start, $work) {
    $break = fn($sql) => strpos($sql, $start) === 0 ? 'BROKEN' : $sql;
    add_filter('query', $break);
    try { return $work(); } finally { remove_filter('query', $break); }
};
$held = function ($work) use ($wpdb, $id) { // Another process has the attachment's lock, and nobody wants to wait ten seconds.
    $other = new wpdb(DB_USER, DB_PASSWORD, DB_NAME, DB_HOST);
    $name = 'tagger_' . md5(DB_NAME . $wpdb->prefix . 'attachment ' . $id);
    if ('1' !== $other->get_var("SELECT GET_LOCK('$name', 0)")) throw new Exception('the lock is not free');
    $short = fn($sql) => strpos($sql, 'SELECT GET_LOCK') === 0 ? str_replace(', 10)', ', 0)', $sql) : $sql;
    add_filter('query', $short);
    try { return $work(); } finally { remove_filter('query', $short); $other->close(); }
};
$said = fn($field, $offers) => $send(['fields' => [$field => $offers]])->get_data()['fields'][$field];
$editor = function () { wp_set_current_user(get_user_by('login', 'editor1')->ID); };
$alt = fn() => get_post_meta($id, '_wp_attachment_image_alt', true);
$writer = fn($field = 'alt_text') => Tagger\Store::field($id, $field)->writer;
try {
    CODE
} finally {
    wp_set_current_user(0);
    wp_delete_attachment($id, true);
    $wpdb->query('DELETE FROM ' . Tagger\Schema::table('outbox'));
    remove_action('shutdown', ['Tagger\Outbox', 'send_after_the_answer'], 9999);
}
"""


ODD = ["Old  \\ one\n<b>two</b>", "a\r\nb"]
SAVE = r"""
$save = function ($seen, $sent) use ($id) {
    $_POST = wp_slash(['post_ID' => $id, 'post_type' => 'attachment', 'post_title' => 'b', 'excerpt' => $sent['caption'],
        '_wp_attachment_image_alt' => $sent['alt_text'], 'tagger_seen' => $seen]);
    edit_post();
    $_POST = [];
    return [$alt = get_post_meta($id, '_wp_attachment_image_alt', true), get_post($id)->post_excerpt];
};
"""


def play(wordpress: Joined, code: str) -> Any:
    return wordpress.wp.php(PHP.replace("CODE", code))


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM wp_tagger_assets", "SELECT * FROM wp_tagger_fields", "INSERT INTO wp_postmeta",
        "REPLACE INTO `wp_tagger_fields`",
    ],
    ids=["asset", "field", "word", "owner"],
)  # fmt: skip
def test_a_failure_of_the_database_is_no_editors_word_and_leaves_nothing_half_done(wordpress: Joined, statement: str) -> None:
    code = f"""
    $data = ['fields' => ['alt_text' => $offer('A cat')]];
    $first = $failing({json.dumps(statement)}, fn() => $send($data));
    $left = [$alt(), $writer(), (int) Tagger\\Store::asset($id)->sequence];
    $second = $send($data, 'd1');
    return [$first->get_status(), $left, $second->get_data()['fields']['alt_text']['en']['outcome'], $alt(), $writer()];
    """
    assert play(wordpress, code) == [503, ["", "", 0], "written", "A cat", "tagger"]


@pytest.mark.parametrize(
    "statement",
    ["SELECT count(*) FROM wp_posts", "SELECT p.ID, GREATEST", "SELECT post_id, meta_key", "TERMS"],
    ids=["total", "pictures", "file", "tags"],
)
def test_a_failure_of_the_database_is_no_empty_library(wordpress: Joined, statement: str) -> None:
    """An empty list would read as: all pictures were deleted, or a person removed all tags."""
    code = """
    $list = function () use ($id) {
        $request = new WP_REST_Request('POST');
        $request->set_body(json_encode(['type' => 'library.page', 'data' => ['ids' => [(string) $id]]]));
        return Tagger\\Receiver::receive($request);
    };
    $break = fn($sql) => START === 'TERMS' ? (strpos($sql, 'term_taxonomy') && !strpos($sql, 'GREATEST') ? 'BROKEN' : $sql)
        : (strpos(preg_replace('/\\s+/', ' ', $sql), START) === 0 ? 'BROKEN' : $sql);
    wp_cache_flush();
    add_filter('query', $break);
    try { $first = $list(); } finally { remove_filter('query', $break); }
    wp_cache_flush();
    return [$first->get_status(), isset($first->get_headers()['Retry-After']), count($list()->get_data()['data'])];
    """
    assert play(wordpress, code.replace("START", json.dumps(statement))) == [503, True, 1]


def test_a_tag_that_wordpress_knows_in_other_letters_is_one_tag(wordpress: Joined) -> None:
    code = """
    wp_insert_term('espresso cup', 'tagger_tag');
    $cup = ['add' => [['id' => 't:1', 'label' => 'Espresso Cup']]];
    [$first, $again, $off] = [$said('tags', $cup), $said('tags', $cup), $said('tags', ['remove' => ['t:1']])];
    return [$first['outcome'], $first['added'], $again['outcome'], $again['added'], $off['removed'], $off['value']];
    """
    assert play(wordpress, code) == ["written", ["t:1"], "unchanged", ["t:1"], ["t:1"], []]


def test_a_tag_that_an_editor_put_on_in_other_letters_stays_theirs(wordpress: Joined) -> None:
    code = """
    $editor();
    wp_set_object_terms($id, ['teapot'], 'tagger_tag');
    $send(['fields' => ['tags' => ['add' => [['id' => 't:2', 'label' => 'TEAPOT']]]]]);
    $off = $said('tags', ['remove' => ['t:2']]);
    $send(['fields' => ['tags' => ['add' => [['id' => 't:3', 'label' => 'Saucer']]]]]);
    wp_remove_object_terms($id, 'saucer', 'tagger_tag');
    $more = $said('tags', ['add' => [['id' => 't:3', 'label' => 'Saucer']]]);
    return [$off['removed'], $off['value'], $more['value']];
    """
    assert play(wordpress, code) == [[], ["teapot"], ["teapot"]]


def test_a_late_message_is_refused_with_the_number_also_if_it_has_no_fields(wordpress: Joined) -> None:
    code = """
    $send(['sequence' => 9, 'reasons' => ['newest']]);
    $none = $send(['sequence' => 4, 'reasons' => ['late']])->get_data();
    $late = $send(['sequence' => 4, 'fields' => ['alt_text' => $offer('A cat')]])->get_data();
    return [(array) $none['fields'], $none['sequence'] ?? 0, $none['reason'] ?? '', $late, Tagger\\Store::asset($id)->sequence];
    """
    refusal = {"outcome": "rejected", "reason": "stale_sequence", "sequence": 9}
    empty, number, reason, late, stored = play(wordpress, code)
    assert (empty, number, reason, int(stored)) == ([], 9, "stale_sequence", 9)
    assert late == {"fields": {"alt_text": {"en": refusal}}}


def test_an_edit_is_noted_also_while_another_process_holds_the_picture(wordpress: Joined) -> None:
    code = """
    $editor();
    $held(fn() => update_post_meta($id, '_wp_attachment_image_alt', 'Ours'));
    return [$writer(), $said('alt_text', $offer('A cat', Tagger\\Words::hash('Ours')))['en']];
    """
    assert play(wordpress, code) == ["person", {"outcome": "kept", "reason": "edited_by_person"}]


@pytest.mark.parametrize("field", ["caption", "alt_text"])
def test_a_text_that_a_program_took_away_is_not_written_again(wordpress: Joined, field: str) -> None:
    take = "delete_post_meta($id, '_wp_attachment_image_alt');" if field == "alt_text" else ""
    code = f"""
    $first = $said('{field}', $offer('A cat'))['en']['outcome'];
    wp_update_post(['ID' => $id, 'post_excerpt' => '']);
    {take}
    $next = $offer('A dog', null, Tagger\\Words::hash('A cat'));
    $missing = Tagger\\Library::page(['ids' => [$id], 'missing' => ['{field}']])['total'];
    return [$first, $said('{field}', $next)['en'], $missing];
    """
    assert play(wordpress, code) == ["written", {"outcome": "kept", "reason": "not_what_tagger_wrote"}, 0]


def test_an_editor_saves_also_while_the_plugins_tables_fail(wordpress: Joined) -> None:
    code = f"""
    {SAVE}
    $send(['fields' => ['alt_text' => $offer('A cat'), 'caption' => $offer('A cat sleeps')]]);
    $editor();
    $texts = ['alt_text' => 'Ours', 'caption' => 'Our caption'];
    return $failing('SELECT * FROM wp_tagger', fn() => [
        $save($texts, $texts), strpos(Tagger\\Box::modal([], get_post($id))['tagger']['html'], 'BROKEN') > 0,
    ]);
    """
    assert play(wordpress, code) == [["Ours", "Our caption"], True]


def test_a_message_with_other_languages_too_is_listed_by_this_sites(wordpress: Joined) -> None:
    code = """
    $send(['fields' => ['alt_text' => ['de' => ['value' => 'Eine Katze', 'if_current' => ['in' => [null]]]] + $offer('A cat')]]);
    return [$alt(), Tagger\\Store::asset($id)->state];
    """
    assert play(wordpress, code) == ["A cat", "written"]


def test_the_test_picture_is_answered_as_confirmed(wordpress: Joined) -> None:
    code = """
    $fields = ['alt_text' => $offer('A cat'), 'tags' => ['add' => []]];
    return $send(['asset' => ['id' => 'tagger-test-1'], 'fields' => $fields])->get_data()['fields'];
    """
    said = {"outcome": "rejected", "reason": "connection_test"}
    assert play(wordpress, code) == {"alt_text": {"en": said}, "tags": said}


PROPOSE = "$propose = fn($text) => $send(['proposals' => ['alt_text' => ['en' => ['value' => $text]]]]);"


def test_only_the_proposal_that_the_editor_saw_is_accepted(wordpress: Joined) -> None:
    code = f"""
    {PROPOSE}
    $editor();
    $propose('Two pandas');
    preg_match('/shown=([0-9a-f]+)/', Tagger\\Box::modal([], get_post($id))['tagger']['html'], $seen);
    $propose('Two red pandas');
    $late = [Tagger\\Box::run($id, 'accept', 'alt_text', $seen[1]), $alt()];
    $propose('Two pandas');
    return [...$late, Tagger\\Box::run($id, 'accept', 'alt_text', $seen[1]), $alt(), $writer()];
    """
    assert play(wordpress, code) == [False, "", True, "Two pandas", "person"]


def test_rejecting_waits_for_a_message_that_is_being_written(wordpress: Joined) -> None:
    code = f"""
    {PROPOSE}
    add_filter('wp_die_handler', fn() => function ($text) {{ throw new Exception($text); }});
    $propose('Two pandas');
    $told = '';
    try {{
        $held(fn() => Tagger\\Box::run($id, 'reject', 'alt_text'));
    }} catch (Exception $died) {{
        $told = $died->getMessage();
    }}
    $before = Tagger\\Store::asset($id)->state;
    Tagger\\Box::run($id, 'reject', 'alt_text');
    return [strpos($told, 'at the moment') > 0, $before, Tagger\\Store::asset($id)->state];
    """
    assert play(wordpress, code) == [True, "review", ""]


@pytest.mark.parametrize(
    ("seen", "sent", "after", "writers"),
    [
        (["", ""], ["", ""], ["A cat", "A cat sleeps"], ["tagger", "tagger"]),
        (["", ""], ["Ours", ""], ["Ours", "A cat sleeps"], ["person", "tagger"]),
        (["", ""], ["", "Ours"], ["A cat", "Ours"], ["tagger", "person"]),
        (ODD, ODD, ["A cat", "A cat sleeps"], ["tagger", "tagger"]),
        (["A cat", "A cat sleeps"], ["", ""], ["", ""], ["person", "person"]),
    ],
    ids=["nothing-touched", "alt-text-typed", "caption-typed", "markup-and-blanks", "emptied"],
)  # fmt: skip
def test_a_form_that_was_open_while_tagger_wrote(
    wordpress: Joined, seen: list[str], sent: list[str], after: list[str], writers: list[str]
) -> None:
    """Saved by WordPress's own code of the edit page."""
    given = [json.dumps(json.dumps(dict(zip(("alt_text", "caption"), pair, strict=True)))) for pair in (seen, sent)]
    quoted = [text.replace("$", "\\$") for text in given]
    code = f"""
    {SAVE}
    $send(['fields' => ['alt_text' => $offer('A cat'), 'caption' => $offer('A cat sleeps')]]);
    $editor();
    return [$save(json_decode({quoted[0]}, true), json_decode({quoted[1]}, true)), [$writer(), $writer('caption')]];
    """
    assert play(wordpress, code) == [after, writers]


CROP = """
add_filter('pre_http_request', function () { return new WP_Error('stop', 'tagger is not asked in this test'); });
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/image-edit.php';
wp_set_current_user(get_user_by('login', 'editor1')->ID);
DO
return 1;
"""
ROTATE = "$_REQUEST = ['history' => '[{\"r\":90}]', 'target' => 'all', 'do' => 'save']; wp_save_image(ASSET);"
RECOMPRESS = "wp_update_attachment_metadata(ASSET, ['filesize' => 7] + wp_get_attachment_metadata(ASSET));"
WAITING = """
global $wpdb;
$table = Tagger\\Schema::table('outbox');
$kinds = $wpdb->get_col("SELECT kind FROM $table WHERE attachment = ASSET");
$wpdb->query("DELETE FROM $table WHERE attachment = ASSET");
return $kinds;
"""


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        (ROTATE, ["asset.updated"]),
        ("wp_trash_post(ASSET); wp_untrash_post(ASSET);", ["asset.updated"]),
        (RECOMPRESS, []),
    ],
    ids=["rotated", "untrashed", "recompressed"],
)  # fmt: skip
def test_what_is_done_to_a_picture_that_tagger_knows(wordpress: Joined, deed: str, told: list[str]) -> None:
    wordpress.wp.set_up(url="")
    asset = wordpress.upload_file(PHOTOS / "china.jpg", "known.jpg")
    wordpress.wp.set_up(**wordpress.settings)
    known = f"Tagger\\Store::change({asset}, ['revision' => Tagger\\Asset::revision({asset})]);"
    wordpress.wp.php(CROP.replace("DO", known + deed.replace("ASSET", str(asset))))
    assert wordpress.wp.php(WAITING.replace("ASSET", str(asset))) == told


@pytest.mark.parametrize(
    ("image", "filled"),
    [
        ('<img title="no alt given" src="x.jpg" alt="">', '<img title="no alt given" src="x.jpg" alt="A cat">'),
        ('<img title="an alt=\'x\' in it" src="x.jpg">', '<img alt="A cat" title="an alt=\'x\' in it" src="x.jpg">'),
        ("<img src=a alt>", '<img src=a alt="A cat">'),
        ("<IMG src='a' ALT = '' />", "<IMG src='a' alt=\"A cat\" />"),
        ('<img data-alt="" src="a" alt="Ours">', '<img data-alt="" src="a" alt="Ours">'),
    ],
    ids=["alt-in-a-title", "whole-alt-in-a-title", "bare", "capitals", "has-one"],
)
def test_filling_an_empty_alt_changes_nothing_else(wordpress: Joined, image: str, filled: str) -> None:
    code = f"""
    update_post_meta($id, '_wp_attachment_image_alt', 'A cat');
    return Tagger\\Render::fill({json.dumps(image)}, 'the_content', $id);
    """
    assert play(wordpress, code) == filled
