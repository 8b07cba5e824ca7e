//! The cache of verified tokens, with a limit for their number and for their bytes.
//!
//! An entry is found by the whole token. Its times, and the client certificate to which it is bound, are checked each
//! time that it is used. Rejected tokens are not kept: an attacker would send different ones, and they would push the
//! good ones out.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use hashbrown::DefaultHashBuilder;
use quick_cache::unsync::Cache;
use quick_cache::{Equivalent, Lifecycle, OptionsBuilder, Weighter};

use crate::gate::policy::Identity;

/// Bytes of an entry without its texts: the words in the tables, the times, and the overhead of the allocator. 253 were
/// measured on wasm32, with a user id of 12 bytes.
const ENTRY_OVERHEAD: usize = 256;

/// The part of the cache for tokens that are used again and again. No entry may be larger.
const HOT: f64 = 0.8;

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
///
/// In a cache that is full, new tokens push out each other first, and not those that are used again and again (S3-FIFO).
#[derive(Debug)]
pub(crate) struct TokenCache {
    /// `None` keeps no token.
    entries: Option<RefCell<Entries>>,
    /// Bytes of the largest entry.
    largest: usize,
    evictions: Evictions,
}

type Entries = Cache<Kept, Identity, Weight, DefaultHashBuilder, Evictions>;

impl TokenCache {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        let evictions = Evictions::default();
        let entries = entries(limits, evictions.clone()).map(RefCell::new);
        Self { entries, largest: largest(limits), evictions }
    }

    /// Finds a token.
    pub(crate) fn find(&self, token: &[u8]) -> Option<Identity> {
        self.entries.as_ref()?.borrow().get(&Asked(token)).cloned()
    }

    /// Keeps a verified token. Forgets others if there is no room.
    pub(crate) fn keep(&self, token: &[u8], verified: Identity) {
        let Some(entries) = self.entries.as_ref().filter(|_| entry_size(token, &verified) <= self.largest)
        else {
            return;
        };
        let mut entries = entries.borrow_mut();
        // One that is replaced would count as forgotten to make room.
        if entries.contains_key(&Asked(token)) {
            entries.remove(&Asked(token));
        }
        entries.insert(Kept(token.into()), verified);
    }

    /// Forgets all tokens, because the keys have changed.
    pub(crate) fn clear(&self) {
        if let Some(entries) = &self.entries {
            entries.borrow_mut().clear();
        }
    }

    /// Returns how many tokens were forgotten to make room, since the last call.
    pub(crate) fn take_evictions(&self) -> u64 {
        self.evictions.0.take()
    }

    /// Forgets a token, because it has expired.
    pub(crate) fn forget(&self, token: &[u8]) {
        if let Some(entries) = &self.entries {
            entries.borrow_mut().remove(&Asked(token));
        }
    }
}

/// Bytes of the largest entry: a little less than the hot part has.
fn largest(limits: CacheLimits) -> usize {
    limits.max_bytes.saturating_sub(limits.max_bytes.div_ceil(4))
}

/// `None` if the limit is no entry.
fn entries(limits: CacheLimits, evictions: Evictions) -> Option<Entries> {
    let bytes = u64::try_from(limits.max_bytes).ok()?;
    // The library limits bytes only. Each entry counts for at least its share of them, which limits the number, too.
    let share = limits.max_bytes.div_ceil(Some(limits.max_entries).filter(|entries| *entries > 0)?);
    let share = u64::try_from(share.min(largest(limits))).ok()?;
    // The library remembers half as many tokens that it has forgotten.
    let items = limits.max_entries.min(limits.max_bytes / ENTRY_OVERHEAD);
    let options = OptionsBuilder::new()
        .estimated_items_capacity(items)
        .weight_capacity(bytes)
        .hot_allocation(HOT)
        .shards(1)
        .build()
        .ok()?;
    Some(Cache::with_options(options, Weight { share }, DefaultHashBuilder::default(), evictions))
}

/// What an entry counts for.
#[derive(Clone, Debug)]
struct Weight {
    /// Bytes, at least.
    share: u64,
}

impl Weighter<Kept, Identity> for Weight {
    fn weight(&self, token: &Kept, verified: &Identity) -> u64 {
        u64::try_from(entry_size(&token.0, verified)).unwrap_or(u64::MAX).max(self.share)
    }
}

/// How many tokens were forgotten to make room.
#[derive(Clone, Debug, Default)]
struct Evictions(Rc<Cell<u64>>);

impl<K, V> Lifecycle<K, V> for Evictions {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), _: K, _: V) {
        self.0.set(self.0.get().saturating_add(1));
    }
}

/// The token of an entry.
#[derive(Debug)]
struct Kept(Box<[u8]>);

/// The token of a request, which may be that of an entry.
struct Asked<'t>(&'t [u8]);

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Asked(&self.0).hash(state);
    }
}

impl Hash for Asked<'_> {
    /// The last bytes are of the signature, and so differ from token to token: no others need to be hashed.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let last = self.0.last_chunk().copied().map(u128::from_le_bytes);
        state.write_u128(last.unwrap_or_default());
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        Asked(&self.0).equivalent(other)
    }
}

impl Eq for Kept {}

impl Equivalent<Kept> for Asked<'_> {
    /// Compares 16 bytes at a time. The standard library would call `memcmp`, which goes byte by byte on wasm32 and costs
    /// more than all else that finds a token.
    fn equivalent(&self, kept: &Kept) -> bool {
        let ((chunks, rest), (kept_chunks, kept_rest)) = (self.0.as_chunks(), kept.0.as_chunks());
        let pairs = chunks.iter().zip(kept_chunks);
        let difference = pairs.fold(0, |difference, (one, other)| {
            difference | (u128::from_le_bytes(*one) ^ u128::from_le_bytes(*other))
        });
        self.0.len() == kept.0.len() && difference == 0 && rest == kept_rest
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
        cache.entries.as_ref().unwrap().borrow().contains_key(&Asked(token))
    }

    /// Tokens and bytes, as the library counts them.
    fn held(cache: &TokenCache) -> (usize, usize) {
        let entries = cache.entries.as_ref().unwrap().borrow();
        (entries.len(), usize::try_from(entries.weight()).unwrap())
    }

    fn numbered(number: usize) -> Vec<u8> {
        format!("header.payload-{number:06}.signature-of-32-bytes-and-more-{number:06}").into_bytes()
    }

    #[test]
    fn a_token_is_found_by_all_of_its_bytes() {
        for length in [0, 1, 15, 16, 17, 31, 32, 33, 48, 600] {
            let token: Vec<u8> = (0..length).map(|place| b'a' + u8::try_from(place % 26).unwrap()).collect();
            let cache = cache(1_000, 10_000_000);
            cache.keep(&token, alice());
            assert_eq!(cache.find(&token).unwrap().user_id.as_str(), "alice");
            for place in 0..length {
                let mut other = token.clone();
                other[place] ^= 1;
                assert!(cache.find(&other).is_none(), "{length}, {place}");
            }
            let longer = [&token[..], b"a"].concat();
            assert!(cache.find(&longer).is_none() && (length == 0 || cache.find(&token[1..]).is_none()));
            assert!(length == 0 || cache.find(&token[..length - 1]).is_none());
        }
    }

    #[test]
    fn a_client_with_many_tokens_does_not_push_out_those_that_are_used() {
        let cache = cache(100, 10_000_000);
        let mut lost = 0;
        for round in 0..100 {
            for used in 0..50 {
                if cache.find(&numbered(used)).is_none() {
                    lost += usize::from(round > 1);
                    cache.keep(&numbered(used), alice());
                }
            }
            for once in 0..150 {
                cache.keep(&numbered(1_000 + 150 * round + once), alice());
            }
        }
        assert!(lost < 50, "{lost} of 4,900");
    }

    #[test]
    fn neither_limit_is_exceeded_and_what_is_forgotten_is_given_back() {
        let one = entry_size(&numbered(0), &alice());
        for (max_entries, max_bytes, fit) in [
            (100, 3 * one, 3),
            (3, 100 * one, 3),
            (1, 100 * one, 1),
            (2, 100 * one, 2),
            (7, 1_000_003, 7),
            (10_000, 8_388_608, 10_000),
        ] {
            let cache = cache(max_entries, max_bytes);
            for number in 0..2 * max_entries.min(3_000) {
                for _ in 0..3 {
                    cache.keep(&numbered(number), alice());
                }
                let (entries, bytes) = held(&cache);
                assert!(
                    entries <= fit && bytes <= max_bytes,
                    "{max_entries}, {max_bytes}: {entries}, {bytes}"
                );
                assert!(kept(&cache, &numbered(number)), "{max_entries}, {max_bytes}: {number}");
            }
            for number in 0..2 * max_entries.min(3_000) {
                cache.forget(&numbered(number));
            }
            assert_eq!(held(&cache), (0, 0));
        }
    }

    #[test]
    fn a_token_that_fills_the_cache_is_not_kept() {
        let cache = cache(10, 10_000);
        cache.keep(b"a", alice());
        cache.keep(&vec![b'x'; 9_000], alice());
        assert!(kept(&cache, b"a") && !kept(&cache, &vec![b'x'; 9_000]));
    }

    #[test]
    fn what_makes_room_is_counted() {
        let cache = cache(10, 10_000_000);
        (0..15).for_each(|number| cache.keep(&numbered(number), alice()));
        cache.forget(&numbered(14));
        assert_eq!((cache.take_evictions(), cache.take_evictions()), (5, 0));
        cache.clear();
        assert_eq!((held(&cache), cache.take_evictions()), ((0, 0), 0));
        // Neither one that is replaced nor one that is not kept.
        (0..3).for_each(|_| cache.keep(&numbered(1), alice()));
        cache.keep(&[b'x'; 9_000_000], alice());
        assert_eq!((held(&cache).0, cache.take_evictions()), (1, 0));
    }

    #[test]
    fn what_was_forgotten_takes_little_memory() {
        let cache = cache(usize::MAX, 100_000);
        (0..20_000).for_each(|number| cache.keep(&numbered(number), alice()));
        let held = cache.entries.as_ref().unwrap().borrow().memory_used().total();
        assert!(held < 100_000, "{held}");
    }

    #[test]
    fn a_cache_of_no_entries_keeps_none() {
        for limits in [(0, 10_000), (10, 0)] {
            let cache = cache(limits.0, limits.1);
            cache.keep(b"a", alice());
            assert!(cache.find(b"a").is_none());
        }
    }
}
