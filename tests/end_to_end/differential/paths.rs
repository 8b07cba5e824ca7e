//! Paths that reach Kinto's batch endpoint, or might.

use kit::random::Random;

/// What is put into a path or in place of a part of it.
const ODD: [&str; 49] = [
    "/", "//", "/", "%2F", "%2f", "?", "?x=", "#", ";", ";x", "&", "%3F", "%23", "%25", "%", "%3", "%%",
    "%zz", "%6", "%u0062", "%ag", "%a/", "%+a", "% a", "%0a", "%0d", "%00", "%09", "\t", "%20", "\u{1}",
    "\u{7f}", ".", "..", "/./", "/../", "/x/../", "%2e", "\\", "%5c", "é", "%C3%A9", "\u{131}", "v1", "/v1",
    "v2", ":", "@", "+",
];

const PLAIN: [&str; 12] = [
    "/",
    "/v1/",
    "/v1",
    "/buckets/f1",
    "/v1/buckets/f1/collections/f2",
    "/v1/buckets/f1/collections",
    "/buckets/f1/collections/f2/records",
    "/buckets/default/collections/f3/records",
    "/v1/buckets/default",
    "/v1/buckets/f1/groups/g",
    "/v1/permissions",
    "/v1/__heartbeat__",
];

/// A path of a request in a batch.
pub(super) fn inner(random: &mut Random) -> String {
    let path = random.pick(&PLAIN).to_owned();
    match random.below(6) {
        0 => slashed(random, &path),
        1 => format!("{path}{}", query(random)),
        _ => path,
    }
}

/// A path of a request in a batch that is to reach the batch endpoint.
pub(super) fn inner_batch(random: &mut Random) -> String {
    let path = match random.below(6) {
        0 => target(random),
        _ => redirected(random),
    };
    if random.one_in(5) { mutated(random, &path) } else { path }
}

/// The path of a request that is to reach the batch endpoint.
pub(super) fn outer_batch(random: &mut Random) -> String {
    let mut path = match random.below(10) {
        0 => redirected(random),
        1 => format!("/{}", target(random)),
        2 => format!("http://kinto{}", target(random)),
        _ => target(random),
    };
    for _ in 0..random.below(3) {
        path = mutated(random, &path);
    }
    path
}

fn target(random: &mut Random) -> String {
    let path = random.pick(&[
        "/v1/batch",
        "/v1/batch",
        "/v1/batch",
        "/batch",
        "/v1/batch/",
        "/v1//batch",
        "/v1/batch?x",
    ]);
    spelled(random, path)
}

/// A path that Kinto redirects, to where the end of its own query says: Kinto takes for the query what follows the
/// *last* time that the path stands in the URL (`kinto/core/views/errors.py`, `page_not_found`).
fn redirected(random: &mut Random) -> String {
    let target = random.pick(&["/v1/batch", "/v1/batch", "/v1/batch/", "/batch"]);
    let cut = 1 + random.below(target.len());
    let (head, tail) = target.split_at(cut);
    let head = if random.one_in(4) { slashed(random, head) } else { head.to_owned() };
    let head = if random.one_in(8) { spelled(random, &head) } else { head };
    let folder = format!("{head}{}", random.pick(&["/", "/", "/", "//", "", "%2F", "/;"]));
    let full = if folder.starts_with("/v1") { folder.clone() } else { format!("/v1{folder}") };
    let again = if random.one_in(6) { folder.clone() } else { full.clone() };
    let written = match random.below(4) {
        0 => folder.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(&folder).to_owned(),
        1 => full,
        _ => folder,
    };
    let mark = random.pick(&["?", "?", "?x=", "?x=y&", "??", "?#", "?%3F"]);
    format!("{written}{mark}{again}{}", spelled(random, tail))
}

fn query(random: &mut Random) -> String {
    random.pick(&["?", "?x=/b/atch", "?_fields=id", "?x=%2Fbatch", "#x", "?_limit=1", "?t=forged"]).to_owned()
}

/// The same text with some of it percent-encoded, once or twice.
pub(super) fn spelled(random: &mut Random, text: &str) -> String {
    let plain = random.below(3) > 0;
    let mut spelled = String::new();
    for character in text.chars() {
        if character.is_ascii() && !plain && random.one_in(5) {
            let mark = if random.one_in(10) { "%25" } else { "%" };
            spelled.push_str(&format!("{mark}{:02x}", u32::from(character)));
        } else {
            spelled.push(character);
        }
    }
    // One letter is enough for what looks for the text itself.
    if plain && text.contains("atch") && random.below(3) > 0 {
        spelled.replacen('a', "%61", 1)
    } else {
        spelled
    }
}

fn slashed(random: &mut Random, path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    parts.join(random.pick(&["//", "/./", "%2F", "/;/", "/"]))
}

fn mutated(random: &mut Random, path: &str) -> String {
    let characters: Vec<char> = path.chars().collect();
    let at = if random.one_in(3) { characters.len() } else { random.below(characters.len() + 1) };
    let skip = random.below(2);
    let before: String = characters[..at].iter().collect();
    let after: String = characters.iter().skip(at + skip).collect();
    format!("{before}{}{after}", random.pick(&ODD))
}

/// The same path with bytes put into it, or in place of others.
pub(super) fn bytes(random: &mut Random, path: &str) -> Vec<u8> {
    let mut path = path.as_bytes().to_vec();
    for _ in 0..random.below(6).saturating_sub(3) {
        let at = random.below(path.len() + 1);
        let end = (at + random.below(2)).min(path.len());
        path.splice(at..end, [u8::try_from(random.below(256)).unwrap()]);
    }
    path.retain(|byte| !matches!(byte, 0 | b'\r' | b'\n' | b' '));
    path
}
