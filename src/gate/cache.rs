//! The cache of verified tokens, with a limit for their number and for their bytes.
//!
//! An entry is found by the whole token. Its times, and the client certificate to which it is bound, are checked each
//! time that it is used. Rejected tokens are not kept: an attacker would send different ones, and they would push the
//! good ones out.

use std::cell::{Cell, RefCell};

use lru::LruCache;

use crate::gate::policy::Identity;

/// Bytes of an entry without its texts: the words in the hash table, the links of the list, the times, and the overhead
/// of the allocator. 176 were measured; the place for a certificate has 8 more.
const ENTRY_OVERHEAD: usize = 184;

/// Limits of the cache (`tokenCache`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheLimits {
    /// Tokens; 0 keeps none.
    pub max_entries: usize,
    /// Bytes, overhead included.
    pub max_bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { max_entries: 10_000, max_bytes: 8_388_608 }
    }
}

/// The verified tokens of one configuration in one worker; a new configuration starts with none.
#[derive(Debug)]
pub(crate) struct TokenCache {
    limits: CacheLimits,
    entries: RefCell<Entries>,
    evictions: Cell<u64>,
}

#[derive(Debug)]
struct Entries {
    by_token: LruCache<Box<[u8]>, Identity>,
    bytes: usize,
}

impl TokenCache {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        let entries = RefCell::new(Entries { by_token: LruCache::unbounded(), bytes: 0 });
        Self { limits, entries, evictions: Cell::new(0) }
    }

    /// Finds a token, and marks it as most recently used.
    pub(crate) fn find(&self, token: &[u8]) -> Option<Identity> {
        if self.limits.max_entries == 0 {
            return None;
        }
        self.entries.borrow_mut().by_token.get(token).cloned()
    }

    /// Keeps a verified token. Forgets the least recently used ones if there is no room.
    pub(crate) fn keep(&self, token: &[u8], verified: Identity) {
        let size = entry_size(token, &verified);
        if self.limits.max_entries == 0 || size > self.limits.max_bytes {
            return;
        }
        let mut entries = self.entries.borrow_mut();
        entries.forget(token);
        while entries.by_token.len() >= self.limits.max_entries
            || entries.bytes.saturating_add(size) > self.limits.max_bytes
        {
            if !entries.forget_oldest() {
                return;
            }
            self.evictions.set(self.evictions.get().saturating_add(1));
        }
        entries.bytes = entries.bytes.saturating_add(size);
        entries.by_token.put(token.into(), verified);
    }

    /// Forgets all tokens, because the keys have changed.
    pub(crate) fn clear(&self) {
        let mut entries = self.entries.borrow_mut();
        entries.by_token.clear();
        entries.bytes = 0;
    }

    /// Returns how many tokens were forgotten to make room, since the last call.
    pub(crate) fn take_evictions(&self) -> u64 {
        self.evictions.take()
    }

    /// Forgets a token, because it has expired.
    pub(crate) fn forget(&self, token: &[u8]) {
        self.entries.borrow_mut().forget(token);
    }
}

impl Entries {
    fn forget(&mut self, token: &[u8]) {
        if let Some((token, verified)) = self.by_token.pop_entry(token) {
            self.bytes = self.bytes.saturating_sub(entry_size(&token, &verified));
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let oldest = self.by_token.pop_lru();
        if let Some((token, verified)) = &oldest {
            self.bytes = self.bytes.saturating_sub(entry_size(token, verified));
        }
        oldest.is_some()
    }
}

fn entry_size(token: &[u8], verified: &Identity) -> usize {
    let shared = [&verified.issuer, &verified.certificate].into_iter().flatten();
    let shared = shared.fold(0, |sum: usize, text| sum.saturating_add(text_size(text)));
    let claims = verified.claims.iter().flat_map(|claims| claims.iter().flatten());
    let texts = claims.fold(shared, |sum, text| text_size(text.as_str()).saturating_add(sum));
    let user_id = verified.user_id.size();
    token.len().saturating_add(user_id).saturating_add(texts).saturating_add(ENTRY_OVERHEAD)
}

/// Bytes of a text with the counters of its `Rc` and the overhead of the allocator.
fn text_size(text: &str) -> usize {
    text.len().saturating_add(32)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::gate::policy::PolicyIndex;
    use crate::token::claims::Validity;
    use crate::token::header_text::Charset;
    use crate::token::user_id::{Carrier, UserId};

    fn alice() -> Identity {
        Identity {
            policy: PolicyIndex(0),
            issuer: None,
            user_id: UserId::from_value(&json!("alice"), Carrier::Header(Charset::Ascii)).unwrap(),
            claims: None,
            validity: Validity::default(),
            certificate: None,
        }
    }

    fn cache(max_entries: usize, max_bytes: usize) -> TokenCache {
        TokenCache::new(CacheLimits { max_entries, max_bytes })
    }

    fn kept(cache: &TokenCache, token: &[u8]) -> bool {
        cache.entries.borrow().by_token.contains(token)
    }

    #[test]
    fn the_token_used_longest_ago_is_forgotten_first() {
        let cache = cache(2, 10_000);
        cache.keep(b"a", alice());
        cache.keep(b"b", alice());
        assert_eq!(cache.find(b"a").unwrap().user_id.as_str(), "alice");
        cache.keep(b"c", alice());
        assert!(kept(&cache, b"a") && !kept(&cache, b"b") && kept(&cache, b"c"));
    }

    #[test]
    fn bytes_are_bounded_and_given_back() {
        let one = entry_size(b"a", &alice());
        let cache = cache(100, 3 * one);
        for token in [b"a", b"b", b"c", b"d", b"a", b"a"] {
            cache.keep(token, alice());
            assert!(cache.entries.borrow().bytes <= 3 * one);
        }
        assert_eq!(cache.entries.borrow().by_token.len(), 3);
        cache.keep(&vec![b'x'; 3 * one], alice());
        assert_eq!(cache.entries.borrow().by_token.len(), 3, "larger than the whole cache: not kept");
        for token in [b"a", b"b", b"c", b"d"] {
            cache.forget(token);
        }
        assert_eq!(cache.entries.borrow().bytes, 0);
    }

    #[test]
    fn a_cache_of_no_entries_keeps_none() {
        let cache = cache(0, 10_000);
        cache.keep(b"a", alice());
        assert!(cache.find(b"a").is_none());
        assert!(!kept(&cache, b"a"));
    }
}
