//! Faulty settings, each with words of the message that names the fault and its remedy.

use serde_json::{Value, json};

use crate::carrier;
use crate::table::settings_with;
use crate::tokens::{SECRET, b64, jwk, key_file, public_key, x5c};

/// A PEM with some of its bytes changed.
fn damaged(pem: &str) -> String {
    pem.replace("MIID", "AAAA")
}

/// The lines of a PEM that are base64.
fn bare(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

/// Settings that must be refused, with words that must be in the message.
pub fn of_kinto_jwt_settings() -> Vec<(Value, &'static [&'static str])> {
    let pem = |public_key: String| json!({"public_key": public_key});
    let key_of_algorithm =
        |name: &str, algorithm: &str| json!({"public_key": public_key(name), "algorithm": algorithm});
    let secret = |secret: &str, algorithm: &str| json!({"public_key": secret, "algorithm": algorithm});
    vec![
        (json!({"algorithm": "RS256"}), &["public_key is missing", "PEM"]),
        (pem("not a key".into()), &["public_key is not a PEM public key", "BEGIN PUBLIC KEY"]),
        (pem(damaged(&key_file("rsa.cert.pem"))), &["public_key is a damaged certificate", "openssl x509"]),
        (pem(key_file("p256.cert.pem")), &["an EC key on P-256, which is for ES256", "algorithm is RS256"]),
        (
            pem(key_file("rsa.cert.pem") + &key_file("rsa-other.cert.pem")),
            &["more than one PEM block", "give the one public key"],
        ),
        (secret(&key_file("rsa.cert.pem"), "HS256"), &["a PEM or SSH key, and HS256 takes a shared secret"]),
        (pem(key_file("rsa.key.pem")), &["a private key", "openssl pkey -in key.pem -pubout"]),
        (pem(key_file("rsa.ssh.pub")), &["an SSH key (ssh-rsa)", "ssh-keygen -e -m PKCS8"]),
        (pem(public_key("rsa").replace('\n', "\\n")), &["\\n written out", "YAML block"]),
        (pem(public_key("rsa").replace("PUBLIC KEY", "X509 CRL")), &["not of a public key"]),
        (pem(public_key("rsa") + &public_key("rsa-other")), &["more than one PEM block"]),
        (pem(public_key("rsa").replace("MIIB", "AAAA")), &["public_key is not a PEM public key"]),
        (pem(public_key("rsa-1024")), &["RSA key of 1024 bits", "2048", "RFC 7518 3.3"]),
        (pem(public_key("rsa-pss")), &["PSS only", "RS256"]),
        (
            key_of_algorithm("p256", "RS256"),
            &["an EC key on P-256, which is for ES256", "algorithm is RS256"],
        ),
        (
            key_of_algorithm("p384", "ES256"),
            &["an EC key on P-384, which is for ES384", "algorithm is ES256"],
        ),
        (
            key_of_algorithm("p521", "ES384"),
            &["an EC key on P-521, which is for ES512", "algorithm is ES384"],
        ),
        (
            key_of_algorithm("p256", "ES512"),
            &["an EC key on P-256, which is for ES256", "algorithm is ES512"],
        ),
        (key_of_algorithm("ed25519", "RS256"), &["an Ed25519 key, which is for EdDSA", "algorithm is RS256"]),
        (key_of_algorithm("ed25519", "ES256"), &["an Ed25519 key, which is for EdDSA"]),
        (key_of_algorithm("ed448", "EdDSA"), &["a key of an unknown kind"]),
        (key_of_algorithm("rsa", "ES256"), &["an RSA key, which is for RS256", "algorithm is ES256"]),
        (key_of_algorithm("rsa", "HS256"), &["a PEM or SSH key, and HS256 takes a shared secret"]),
        (
            secret(&jwk("k", "rsa").to_string(), "HS256"),
            &["a JWK or another JSON text, and HS256", "goes into jwks"],
        ),
        (secret(&format!(" \n{}", jwk("k", "p256")), "HS256"), &["a JWK or another JSON text"]),
        (secret(&json!({"keys": [jwk("k", "rsa")]}).to_string(), "HS512"), &["a JWK or another JSON text"]),
        (secret(&json!([jwk("k", "ed25519")]).to_string(), "HS384"), &["a JWK or another JSON text"]),
        (secret(&format!("{}}}", jwk("k", "rsa")), "HS256"), &["a JWK or another JSON text"]),
        (secret(&format!("\u{feff}{}", jwk("k", "rsa")), "HS256"), &["a JWK or another JSON text"]),
        (
            json!({"jwks": {"keys": [{"kty": "oct", "k": b64(jwk("k", "rsa").to_string())}]}, "algorithm": "HS256"}),
            &["jwks has no key", "key 1 is a JWK or another JSON text"],
        ),
        (
            json!({"jwks": {"keys": [{"kty": "oct", "k": b64(public_key("rsa"))}]}, "algorithm": "HS256"}),
            &["key 1 is a PEM or SSH key"],
        ),
        (
            json!({"jwks": {"keys": [{"kty": "oct", "k": b64(pem::parse(public_key("rsa")).unwrap().contents())}]}, "algorithm": "HS256"}),
            &["key 1 is a DER key or certificate"],
        ),
        (
            json!({"jwks": {"keys": [{"kty": "oct", "k": b64(pem::parse(key_file("rsa.cert.pem")).unwrap().contents())}]}, "algorithm": "HS256"}),
            &["key 1 is a DER key or certificate"],
        ),
        (secret(&key_file("rsa.ssh.pub"), "HS256"), &["a PEM or SSH key"]),
        // A PEM without the lines around it, as Keycloak shows the key of a realm.
        (
            secret(&bare(&public_key("rsa")), "HS256"),
            &["public_key is a DER key or certificate, and HS256 takes"],
        ),
        (secret(&bare(&key_file("p256.cert.pem")), "HS256"), &["a DER key or certificate"]),
        (json!({"public_key": "", "algorithm": "HS256"}), &["a secret of 0 bytes", "32"]),
        (secret(&SECRET[..31], "HS256"), &["a secret of 31 bytes, and HS256 needs 32", "RFC 7518 3.2"]),
        (secret(&SECRET[..47], "HS384"), &["a secret of 47 bytes, and HS384 needs 48"]),
        (secret(&SECRET[..63], "HS512"), &["a secret of 63 bytes, and HS512 needs 64"]),
        (json!({"public_key": 42}), &["public_key is not text"]),
        (
            settings_with(json!({"algorithm": "none"})),
            &["algorithm is not a name", "RS256, RS384", "EdDSA", "HS512"],
        ),
        (settings_with(json!({"algorithm": "ES256K"})), &["algorithm is not a name", "ES384, ES512"]),
        (settings_with(json!({"algorithm": "Ed448"})), &["algorithm is not a name", "EdDSA"]),
        (
            settings_with(json!({"algorithm": ["EdDSA", "Ed25519"]})),
            &["algorithm has EdDSA twice", "each algorithm once"],
        ),
        (settings_with(json!({"algorithm": "rs256"})), &["algorithm is not a name", "in this spelling"]),
        (settings_with(json!({"algorithm": []})), &["algorithm is neither text nor a list of texts"]),
        (
            settings_with(json!({"algorithm": ["RS256", "none"]})),
            &["algorithm is not a name", "or a list of them"],
        ),
        (
            settings_with(json!({"algorithm": ["RS256", "ES256"]})),
            &["an RSA key, which is for RS256", "algorithm is ES256"],
        ),
        (
            settings_with(json!({"requiredParameters": {"signer": null}})),
            &["requiredParameters.signer is neither a text"],
        ),
        (settings_with(json!({"requiredParameters": ["a"]})), &["requiredParameters is not a map"]),
        (settings_with(json!({"padding": true})), &["padding is neither accept nor refuse"]),
        (settings_with(json!({"padding": "Accept"})), &["padding is neither accept nor refuse"]),
        (
            settings_with(json!({"maxAgeSeconds": -1})),
            &["maxAgeSeconds is not a whole number of seconds from 0"],
        ),
        (settings_with(json!({"maxAgeSeconds": 31_622_401})), &["maxAgeSeconds is not a whole number"]),
        (settings_with(json!({"leeway": -1})), &["leeway is not a whole number of seconds from 0 to 86400"]),
        (settings_with(json!({"leeway": 86_401})), &["leeway is not a whole number"]),
        (settings_with(json!({"leeway": 1.5})), &["leeway is not a whole number"]),
        (settings_with(json!({"leeway": "30"})), &["leeway is not a whole number", "without quotes"]),
        (settings_with(json!({"http_header": "a b"})), &["http_header is not the name of a header"]),
        (settings_with(json!({"http_header": ":path"})), &["http_header is not the name of a header"]),
        (settings_with(json!({"auth_type": ""})), &["auth_type has a scheme with characters"]),
        (settings_with(json!({"auth_type": "Bearer "})), &["auth_type has a scheme with characters"]),
        (settings_with(json!({"auth_type": "digest"})), &["auth_type has digest, a scheme of parameters"]),
        (settings_with(json!({"auth_type": []})), &["auth_type is neither text nor a list"]),
        (settings_with(json!({"audience": 5})), &["audience is neither text nor a list"]),
        (settings_with(json!({"audience": [""]})), &["audience has an empty name"]),
        (settings_with(json!({"verifyToken": "false"})), &["verifyToken is neither true nor false"]),
        (settings_with(json!({"verifyToken": 0})), &["verifyToken is neither true nor false"]),
        (
            settings_with(json!({"unauthorizedUserId": ""})),
            &["unauthorizedUserId cannot be a user id", "null", "kinto_jwt:"],
        ),
        (settings_with(json!({"unauthorizedUserId": "a\nb"})), &["unauthorizedUserId cannot be a user id"]),
        (
            settings_with(json!({"unauthorizedUserId": false})),
            &["unauthorizedUserId is true or false", "quotes"],
        ),
        (settings_with(json!({"unauthorizedUserId": "é"})), &["cannot be a user id (user_id_not_ascii)"]),
        (
            settings_with(json!({"userIdCharset": "utf-8"})),
            &["userIdCharset is neither ascii nor latin-1", "Granian"],
        ),
        (settings_with(json!({"userIdCharset": ["ascii"]})), &["userIdCharset is neither ascii nor latin-1"]),
        (settings_with(json!({"userIdTokenKey": ""})), &["userIdTokenKey is not text, or is empty"]),
        (
            settings_with(json!({"userIdHeader": "user_id"})),
            &["userIdHeader is not a header name that reaches Kinto"],
        ),
        (
            settings_with(json!({"userIdHeader": "Authorization"})),
            &["userIdHeader is a header with another meaning"],
        ),
        (
            settings_with(json!({"userIdHeader": "x-t", "http_header": "X-T"})),
            &["userIdHeader is a header with another meaning"],
        ),
        (settings_with(json!({"forwardToken": 1})), &["forwardToken is neither true nor false"]),
        (settings_with(json!({"accessLogReason": "yes"})), &["accessLogReason is neither true nor false"]),
        (
            settings_with(json!({"batch": {"maxBytes": 0}})),
            &["batch.maxBytes is not a whole number of bytes"],
        ),
        (
            settings_with(json!({"batch": {"maxBytes": 16_777_217}})),
            &["batch.maxBytes is not a whole number of bytes"],
        ),
        (
            settings_with(json!({"batch": {"maxRequests": 0}})),
            &["batch.maxRequests is not a whole number of sub-requests from 1 to 1000"],
        ),
        (
            settings_with(json!({"batch": {"maxRequests": 1001}})),
            &["batch.maxRequests is not a whole number"],
        ),
        (
            settings_with(json!({"batch": {"ownTokens": "deny"}})),
            &["batch.ownTokens is neither allow nor refuse"],
        ),
        (
            settings_with(json!({"batch": {"ownTokens": true}})),
            &["batch.ownTokens is neither allow nor refuse"],
        ),
        (
            settings_with(json!({"boundTokens": "accept"})),
            &["boundTokens is none of refuse, verify and ignore"],
        ),
        (settings_with(json!({"boundTokens": true})), &["boundTokens is none of refuse, verify and ignore"]),
        (settings_with(json!({"batch": {"max": 1}})), &["batch.max is not a setting"]),
        // A forgotten colon.
        (
            settings_with(json!({"publicKeyEnv correct-horse-battery": null})),
            &["a text that is not a name is not a setting of this filter"],
        ),
        (
            settings_with(json!({"batch": {"maxBytes correct-horse-battery": null}})),
            &["batch.a text that is not a name is not a setting; batch has maxBytes"],
        ),
        (settings_with(json!({"batch": 5})), &["batch is not a map"]),
        (
            settings_with(json!({"tokenCache": {"maxEntries": -1}})),
            &["maxEntries is not a whole number of tokens"],
        ),
        (settings_with(json!({"tokenCache": {"entries": 1}})), &["tokenCache.entries is not a setting"]),
        (
            settings_with(json!({"verify_token": true})),
            &["\"verify_token\" is not a setting of this filter", "verifyToken"],
        ),
        (json!({}), &["the configuration is empty", "public_key"]),
    ]
}

/// The same for the settings that `kinto_jwt` does not have.
pub fn of_own_settings() -> Vec<(Value, &'static [&'static str])> {
    let key_set = |keys: Value| json!({"jwks": {"keys": keys}});
    let remote = |more: Value| {
        let mut remote = json!({"uri": "https://issuer.example/keys", "cluster": "issuer"});
        remote.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"remoteJwks": remote})
    };
    let policies = |policies: Value| json!({"public_key": public_key("rsa"), "policies": policies});
    let ticket = |more: Value| {
        let mut ticket = json!({"secret": carrier::SECRET});
        ticket.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        settings_with(json!({"ticket": ticket}))
    };
    let enc = json!({"kty": "RSA", "use": "enc", "kid": "e"});
    let mut private = jwk("p", "rsa");
    private["d"] = json!("AQAB");
    vec![
        (
            settings_with(json!({"jwks": {"keys": []}})),
            &["jwks and public_key are both there", "one of them"],
        ),
        (key_set(json!([])), &["jwks has no key that verifies RS256: it is empty"]),
        (key_set(json!([enc])), &["jwks has no key", "key 1 (kid \"e\") is not for signatures (use)"]),
        (key_set(json!([private])), &["is a private key, which must never leave"]),
        (
            key_set(json!([jwk("k", "p256")])),
            &["jwks has no key that verifies RS256", "is for none of algorithm"],
        ),
        (
            key_set(json!([{"kty": "EC", "crv": "secp256k1"}])),
            &["a curve other than P-256, P-384, P-521 and Ed25519"],
        ),
        (key_set(json!([jwk("k", "rsa-1024")])), &["an RSA key of 1024 bits"]),
        (
            key_set(json!([{"kty": "RSA", "x5c": ["*"]}])),
            &["key 1 has an x5c that is not a list of certificates in base64"],
        ),
        (
            key_set(json!([{"kty": "RSA", "x5c": [x5c("p256")]}])),
            &["key 1 is an EC key on P-256, which is for ES256"],
        ),
        (key_set(json!([{"kty": "RSA", "x5c": [x5c("rsa")], "e": "AQAB"}])), &["key 1 has no n"]),
        (key_set(json!([{"kty": "oct", "k": "c2hvcnQ"}])), &["jwks has no key"]),
        (key_set(json!([{"kty": "RSA", "n": 5, "e": "AQAB"}])), &["key 1 has no n"]),
        (json!({"jwks": {"kty": "RSA"}}), &["jwks is not a JWK Set", "a list of keys"]),
        (json!({"jwks": "{"}), &["jwks is text that is not a JSON object"]),
        (json!({"jwks": {"keys": []}, "remoteJwks": {}}), &["remoteJwks and jwks are both there"]),
        (json!({"remoteJwks": "https://issuer.example/keys"}), &["remoteJwks is not a map", "cluster"]),
        (json!({"remoteJwks": {"uri": "https://issuer.example/keys"}}), &["remoteJwks.cluster is missing"]),
        (json!({"remoteJwks": {"cluster": "issuer"}}), &["remoteJwks.uri is missing", "discovery: true"]),
        (remote(json!({"uri": "/keys"})), &["remoteJwks.uri is not an absolute http or https URI"]),
        (remote(json!({"uri": "ftp://issuer.example/keys"})), &["remoteJwks.uri is not an absolute http"]),
        (
            remote(json!({"refreshSeconds": 4})),
            &["remoteJwks.refreshSeconds is not a whole number of seconds from 5"],
        ),
        (
            remote(json!({"cooldownSeconds": 0})),
            &["remoteJwks.cooldownSeconds is not a whole number of seconds from 1"],
        ),
        (remote(json!({"timeoutSeconds": 0})), &["remoteJwks.timeoutSeconds is not a whole number"]),
        (remote(json!({"maxBytes": 0})), &["remoteJwks.maxBytes is not a whole number of bytes"]),
        (remote(json!({"url": "x"})), &["remoteJwks.url is not a setting", "refreshSeconds"]),
        (remote(json!({"discovery": true})), &["remoteJwks.uri and discovery are both there"]),
        (remote(json!({"discovery": true, "uri": null})), &["remoteJwks.discovery needs one issuer"]),
        (settings_with(json!({"issuer": ""})), &["issuer has an empty name"]),
        (settings_with(json!({"issuer": 7})), &["issuer is neither text nor a list"]),
        (
            settings_with(json!({"maxLifetimeSeconds": -1})),
            &["maxLifetimeSeconds is not a whole number of seconds"],
        ),
        (settings_with(json!({"requireExp": "yes"})), &["requireExp is neither true nor false"]),
        (settings_with(json!({"requiredClaims": ["admin"]})), &["requiredClaims is not a map"]),
        (
            settings_with(json!({"requiredClaims": {"a": {}}})),
            &["requiredClaims.a is neither a text, number or boolean"],
        ),
        (settings_with(json!({"requiredClaims": {"a": []}})), &["requiredClaims.a is neither a text"]),
        (settings_with(json!({"refusedClaims": ["mallory"]})), &["refusedClaims is not a map"]),
        (settings_with(json!({"refusedClaims": {"a": []}})), &["refusedClaims.a is neither a text"]),
        (settings_with(json!({"refusedClaims": {"a": null}})), &["refusedClaims.a is neither a text"]),
        (
            settings_with(json!({"refusedClaims": {"sub": false}})),
            &["refusedClaims.sub has a value that is not text"],
        ),
        (
            settings_with(json!({"refusedClaims": {"jti": ["x", 8]}})),
            &["refusedClaims.jti has a value that is not"],
        ),
        (
            settings_with(json!({"issuedAfter": "yesterday"})),
            &["issuedAfter is not a time of RFC 3339 in UTC", "date -u"],
        ),
        (settings_with(json!({"issuedAfter": "2026-11-24T10:00:00+01:00"})), &["issuedAfter is not a time"]),
        (settings_with(json!({"issuedAfter": "2026-02-30T10:00:00Z"})), &["issuedAfter is not a time"]),
        (settings_with(json!({"issuedAfter": "1969-12-31T23:59:59Z"})), &["issuedAfter is not a time"]),
        (settings_with(json!({"issuedAfter": 1_700_000_000})), &["issuedAfter is not text"]),
        (
            settings_with(json!({"policies": [{"name": "a", "issuedAfter": "now"}]})),
            &["a.issuedAfter is not a time"],
        ),
        (
            settings_with(json!({"requiredScopes": "read write"})),
            &["requiredScopes has a scope with a space"],
        ),
        (settings_with(json!({"typ": 5})), &["typ is not text"]),
        (settings_with(json!({"algorithm": ["RS256", "PS256", "RS256"]})), &["algorithm has RS256 twice"]),
        (settings_with(json!({"onMissing": "401"})), &["onMissing is none of the actions", "reject"]),
        (settings_with(json!({"onInvalid": "Reject"})), &["onInvalid is none of the actions"]),
        (settings_with(json!({"onKeysUnavailable": true})), &["onKeysUnavailable is none of the actions"]),
        (settings_with(json!({"open": "v1"})), &["open has a path that does not start with /"]),
        (settings_with(json!({"claimsToHeaders": "email"})), &["claimsToHeaders is not a map"]),
        (
            settings_with(json!({"claimsToHeaders": {"X-Email": 5}})),
            &["claimsToHeaders.X-Email is not the name of a claim"],
        ),
        (
            settings_with(json!({"claimsToHeaders": {"x_email": "email"}})),
            &["claimsToHeaders.x_email is not a header name"],
        ),
        (
            settings_with(json!({"claimsToHeaders": {"USERID": "email"}})),
            &["claimsToHeaders: the header of userIdHeader is a header with another"],
        ),
        (
            settings_with(json!({"claimsToHeaders": {"Cookie": "email"}})),
            &["claimsToHeaders.Cookie is a header with another"],
        ),
        // A Kinto that still trusts the usual header must not get the client's.
        (
            settings_with(json!({"userIdHeader": "X-User", "claimsToHeaders": {"USERID": "email"}})),
            &["claimsToHeaders.userId is a header with another meaning"],
        ),
        (
            settings_with(json!({"userIdHeader": "X-User", "http_header": "UserId"})),
            &["http_header or from: userId is a header with another meaning"],
        ),
        (
            settings_with(json!({"claimsToHeaders": {"X-A": "a", "x-a": "b"}})),
            &["claimsToHeaders.x-a is there twice"],
        ),
        (settings_with(json!({"from": []})), &["from is not a list of one to eight places"]),
        (settings_with(json!({"from": ["Authorization"]})), &["from has an item that is not a map"]),
        (
            settings_with(json!({"from": [{"header": "A", "cookie": "b"}]})),
            &["from has a place that is not one of"],
        ),
        (settings_with(json!({"from": [{"cookie": "a b"}]})), &["from has a cookie that is not a name"]),
        (settings_with(json!({"from": [{"body": "a"}]})), &["from.body is not a setting"]),
        (
            settings_with(json!({"from": [{"query": "a"}], "http_header": "X"})),
            &["http_header and from are both there"],
        ),
        (settings_with(json!({"ticket": "secret"})), &["ticket is not a map", "secretEnv"]),
        (settings_with(json!({"ticket": {}})), &["ticket.secret is not a text of at least 32", "openssl"]),
        (
            ticket(json!({"secret": "0123456789abcdef0123456789abcde"})),
            &["ticket.secret is not a text of at least 32"],
        ),
        (ticket(json!({"secret": "0123456789abcdef 123456789abcdef"})), &["ticket.secret is not a text"]),
        // Kinto would read a number.
        (ticket(json!({"secret": "12345678901234567890123456789012"})), &["ticket.secret is not a text"]),
        (ticket(json!({"secret": 5})), &["ticket.secret is not a text"]),
        (ticket(json!({"secretEnv": "KINTO_TICKET"})), &["ticket.secretEnv and secret are both there"]),
        (
            settings_with(json!({"ticket": {"secretEnv": ""}})),
            &["ticket.secretEnv is not the name of a variable"],
        ),
        (ticket(json!({"cookieName": "k jwt"})), &["ticket.cookieName is not the name of a cookie"]),
        // WebOb finds no cookie of these names.
        (ticket(json!({"cookieName": "Path"})), &["ticket.cookieName is not the name of a cookie"]),
        (ticket(json!({"cookieName": "$kjwt"})), &["ticket.cookieName is not the name of a cookie"]),
        // Kinto would read a number, and nothing.
        (ticket(json!({"cookieName": "1e5"})), &["ticket.cookieName is not the name of a cookie"]),
        (ticket(json!({"cookieName": "null"})), &["ticket.cookieName is not the name of a cookie"]),
        (ticket(json!({"cookieName": ""})), &["ticket.cookieName is not text, or is empty"]),
        (
            ticket(json!({"timeoutSeconds": 9})),
            &["ticket.timeoutSeconds is not a whole number of seconds from 10"],
        ),
        (ticket(json!({"timeout": 30})), &["ticket.timeout is not a setting"]),
        (
            settings_with(
                json!({"ticket": {"secret": carrier::SECRET, "cookieName": "t"}, "from": {"cookie": "t"}}),
            ),
            &["ticket.cookieName is a cookie that holds tokens"],
        ),
        (policies(json!([{"name": "a", "ticket": {}}])), &["a.\"ticket\" is not a setting"]),
        (policies(json!({})), &["policies is not a list"]),
        (policies(json!([])), &["policies has 0 policies"]),
        (policies(json!([{"issuer": "a"}])), &["policies has a policy without a name"]),
        (policies(json!([{"name": "a.b"}])), &["policies has a policy without a name of 1 to 32 letters"]),
        (policies(json!([{"name": "a"}, {"name": "a"}])), &["policies has a twice"]),
        (policies(json!([{"name": "a", "batch": {}}])), &["a.\"batch\" is not a setting", "jwks"]),
        (
            json!({"public_key": public_key("rsa"), "jwks": {"keys": []}, "policies": [{"name": "a"}]}),
            &["a.jwks and public_key are both there"],
        ),
        (
            json!({"public_key": public_key("rsa"), "from": {"cookie": "t"}, "http_header": "X-T", "policies": [{"name": "a"}]}),
            &["a.http_header and from are both there"],
        ),
        (policies(json!([{"name": "a", "leeway": -1}])), &["a.leeway is not a whole number"]),
        (policies(json!([{"name": "a"}, {"name": "b", "jwks": {"keys": []}}])), &["b.jwks has no key"]),
    ]
}
