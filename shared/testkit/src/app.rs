//! An application over an in-process database, and people who are signed in to it.
#![expect(clippy::missing_panics_doc, reason = "a test kit reports its own failures by failing the test")]

use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use lambda_http::{Body, Request, Response};
use serde::Serialize;
use sutler_domain::{
    account::{Email, Role, ShopSlug, ShopState, Username},
    ids::{SellerId, UserId},
    money::{BasisPoints, Currency},
};
use sutler_http::ApiError;
use sutler_services::{
    App, Settings,
    auth::{Claims, ISSUER},
};
use sutler_store::{
    Key, Store, TableNames, Transaction, Version,
    codec::encode,
    signing_keys::{PublicKey, public_key},
    users::{NameOwner, Seller, User, email_key, seller_key, shop_key, user_key, username_key},
};

use crate::{CATALOG, COMMERCE, FakeClock, IDENTITY, LEDGER, SeqIds, TestAnswer, TestCall, TestDb};

/// Name of the key that signs test tokens.
const KID: &str = "test";

/// The whole application, without a process around it.
#[derive(Debug, Clone)]
pub struct TestApp {
    /// What handlers get.
    pub app: App,
    /// The database beneath, to break and to observe.
    pub db: TestDb,
    signing_key: Arc<Vec<u8>>,
}

/// Someone who is signed in.
#[derive(Debug, Clone)]
pub struct TestUser {
    /// Their account, as it was stored.
    pub user: User,
    /// A valid access token.
    pub token: String,
}

impl TestUser {
    /// Their id.
    #[must_use]
    pub fn id(&self) -> &UserId {
        &self.user.id
    }

    /// Their shop's id, whether they opened one or not.
    #[must_use]
    pub fn seller(&self) -> SellerId {
        SellerId::of_user(&self.user.id)
    }
}

impl TestApp {
    /// Fresh tables, a clock that stands still, ids that count up, and one published signing key.
    pub async fn new() -> Self {
        let db = TestDb::new();
        let names = TableNames {
            identity: IDENTITY.to_owned(),
            catalog: CATALOG.to_owned(),
            commerce: COMMERCE.to_owned(),
            ledger: LEDGER.to_owned(),
        };
        let ids = Arc::new(SeqIds::default());
        let store = Store::new(db.client(), names, ids.clone());
        let app = App::new(store, Arc::new(db.clock().clone()), ids, settings());
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let test = Self { app, db, signing_key: Arc::new(pkcs8.as_ref().to_vec()) };
        let pair = Ed25519KeyPair::from_pkcs8(&test.signing_key).expect("a key");
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let public = PublicKey { kid: KID.to_owned(), x, created_at: test.app.now() };
        test.put(public_key(KID), "key", &public).await;
        test
    }

    /// The clock, to be moved.
    #[must_use]
    pub fn clock(&self) -> &FakeClock {
        self.db.clock()
    }

    /// Calls a handler and reads its answer; failures become problem documents as in a deployed function.
    pub async fn call<H>(&self, handle: H, call: TestCall) -> TestAnswer
    where
        H: AsyncFn(&App, Request) -> Result<Response<Body>, ApiError>,
    {
        TestAnswer::read(handle(&self.app, call.request()).await)
    }

    /// A signed-in user called `name` whose e-mail address is verified.
    pub async fn user(&self, name: &str) -> TestUser {
        self.new_user(name, true, &[]).await
    }

    /// A signed-in user called `name` whose e-mail address is not verified.
    pub async fn unverified(&self, name: &str) -> TestUser {
        self.new_user(name, false, &[]).await
    }

    /// A signed-in member of staff.
    pub async fn staff(&self, name: &str, role: Role) -> TestUser {
        self.new_user(name, true, &[role]).await
    }

    /// A signed-in user with a shop called `<name>-shop`.
    pub async fn seller(&self, name: &str) -> TestUser {
        let owner = self.user(name).await;
        let slug = ShopSlug::parse(&format!("{name}-shop")).expect("a slug");
        let seller = Seller {
            id: owner.seller(),
            user: owner.id().clone(),
            name: format!("Shop of {name}"),
            slug: slug.clone(),
            return_policy: "30 days".to_owned(),
            state: ShopState::Open,
            created_at: self.app.now(),
        };
        self.put(seller_key(&seller.id), "seller", &seller).await;
        self.put(shop_key(&slug), "shop", &NameOwner { user: owner.id().clone() }).await;
        owner
    }

    /// A valid access token of `user`, as of now.
    #[must_use]
    pub fn sign_in(&self, user: &User) -> String {
        self.sign(&self.claims(user), KID)
    }

    fn claims(&self, user: &User) -> Claims {
        let iat = self.app.now().seconds();
        Claims {
            sub: user.id.clone(),
            verified: user.verified,
            roles: user.roles.clone(),
            iat,
            exp: iat.saturating_add(600),
            iss: ISSUER.to_owned(),
        }
    }

    fn sign(&self, claims: &Claims, kid: &str) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
        let key = EncodingKey::from_ed_der(&self.signing_key);
        jsonwebtoken::encode(&header, claims, &key).expect("a token")
    }

    /// What does not prove to be `user`: tokens that are unreadable, expired, of another issuer, of an unknown
    /// key, unsigned, or signed for somebody else.
    #[must_use]
    pub fn bad_tokens(&self, user: &TestUser) -> Vec<String> {
        let claims = self.claims(&user.user);
        let other = Claims { verified: !claims.verified, roles: vec![Role::Admin], ..claims.clone() };
        let (token, foreign) = (self.sign(&claims, KID), self.sign(&other, KID));
        let (signed, _) = token.rsplit_once('.').expect("a signature");
        let (_, signature) = foreign.rsplit_once('.').expect("a signature");
        let (_, payload) = signed.split_once('.').expect("claims");
        let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT","kid":"test"}"#);
        vec![
            "x".to_owned(),
            self.sign(&Claims { exp: claims.iat, ..claims.clone() }, KID),
            self.sign(&Claims { iss: "another".to_owned(), ..claims.clone() }, KID),
            self.sign(&claims, "unknown"),
            format!("{unsigned}.{payload}."),
            format!("{signed}.{signature}"),
        ]
    }

    /// Calls a handler that must refuse, and makes sure that it wrote nothing.
    pub async fn refused<H>(&self, handle: H, call: TestCall) -> TestAnswer
    where
        H: AsyncFn(&App, Request) -> Result<Response<Body>, ApiError>,
    {
        drop(self.db.drain_stream());
        let answer = self.call(handle, call).await;
        assert!(answer.status >= 400, "not refused: {}", answer.text);
        assert_eq!(self.db.drain_stream(), [], "written by a refused call: {}", answer.text);
        answer
    }

    /// Makes sure that `call` is refused to whoever cannot prove to be `user`.
    pub async fn needs_token<H>(&self, user: &TestUser, handle: H, call: TestCall)
    where
        H: AsyncFn(&App, Request) -> Result<Response<Body>, ApiError>,
    {
        let tokens = self.bad_tokens(user).into_iter().map(|token| call.clone().token(&token));
        for call in tokens.chain([call.clone()]) {
            let answer = self.refused(&handle, call.clone()).await;
            assert_eq!((answer.status, answer.problem()), (401, "unauthenticated"), "{call:?}");
        }
    }

    async fn new_user(&self, name: &str, verified: bool, roles: &[Role]) -> TestUser {
        let now = self.app.now();
        let user = User {
            id: UserId::generate(&*self.app.ids, now),
            email: Email::parse(&format!("{name}@example.com")).expect("an address"),
            username: Username::parse(name).expect("a name"),
            verified,
            roles: roles.to_vec(),
            addresses: 0,
            default_address: None,
            verification_requested_at: now,
            created_at: now,
        };
        let owner = NameOwner { user: user.id.clone() };
        self.put(user_key(&user.id), "user", &user).await;
        self.put(email_key(&user.email), "email", &owner).await;
        self.put(username_key(&user.username), "username", &owner).await;
        let token = self.sign_in(&user);
        TestUser { user, token }
    }

    /// Creates an item as its owner would.
    pub async fn put<T: Serialize>(&self, key: Key, kind: &'static str, record: &T) {
        let item = encode(&key, kind, Version::FIRST, record).expect("an item");
        let mut transaction = Transaction::new();
        transaction.create(key, item);
        self.app.store.transact(transaction).await.expect("a free key");
    }
}

fn settings() -> Settings {
    Settings {
        currency: Currency::Usd,
        tax: BasisPoints::new(2_000).expect("a rate"),
        shipping_flat_minor: 500,
        commission: BasisPoints::new(1_000).expect("a rate"),
        order_expiry_s: 900,
        refresh_expiry_s: 86_400,
        frontend_url: "https://shop.example.com".to_owned(),
        api_url: "https://api.example.com".to_owned(),
    }
}
