//! What logs in: passwords right and wrong by every login, sessions, access keys and their signatures.

use serde_json::{Value, json};

use crate::ground::nobody;
use crate::support::{Caller, Kind, Signer, sha512};
use crate::whole::Cast;

/// Where the secret of an access key is: in the answer to its creation.
const CREATED: [&str; 1] = ["*: POST /accesskeys* #/inventory/AccessKeySecret"];

impl Cast {
    /// A login that is kept; the caller with its session, which belongs in that answer alone.
    pub fn logged_in(&mut self, who: &str, kind: Kind, password: &str) -> Caller {
        let body = json!({"logInByAccount": {"accountName": who, "password": sha512(password)}});
        let nobody = Caller { kind, ..nobody(self.world.address) };
        let answer = self.ground.ask(who, &nobody, "PUT", "/accounts/login", &body.to_string());
        let id = answer.inventory()["uuid"].as_str().expect("a session").to_owned();
        self.canaries.session(
            &format!("a session of {who}"),
            &id,
            &["*: PUT /accounts/login* #/inventory/uuid"],
        );
        self.sessions.push(id.clone());
        Caller { session: id, ..nobody }
    }

    /// A new account with a password of its own, logged in.
    pub fn account(&mut self, who: &str, kind: Kind) -> Caller {
        let password = self.canaries.text(&format!("the password of {who}"), &[]);
        let body = json!({"params": {"name": who, "password": sha512(&password), "description": self.described(who)}});
        let admin = self.admin.clone();
        self.ground.ask("admin", &admin, "POST", "/accounts", &body.to_string()).ok();
        self.logged_in(who, kind, &password)
    }

    fn described(&mut self, who: &str) -> String {
        let places: &[&'static str] = match who {
            "ann" => &[
                "cli",
                "admin: *GET /accounts* #*/description",
                "ann: *GET /accounts* #*/description",
                "* #/result",
                "*: * /accounts* #/inventory/description",
                "*: GET /zql #*/description",
                "table account.description",
                "dump account",
                "file data/longhaul.db*",
            ],
            _ => return String::new(),
        };
        self.canaries.text("the description of ann, no secret", places)
    }

    /// Passwords that are wrong, changed, or sent as they must not be.
    pub fn passwords(&mut self) {
        let (admin, ann) = (self.admin.clone(), self.ann.clone());
        let nobody = nobody(self.world.address);
        let wrong = |cast: &mut Self, what: &str| {
            sha512(&cast.canaries.text(&format!("a wrong password: {what}"), &[]))
        };
        let tries = [
            (
                "/accounts/login",
                json!({"logInByAccount": {"accountName": "ann", "password": wrong(self, "login")}}),
            ),
            (
                "/accounts/users/login",
                json!({"logInByUser": {"accountName": "ann", "userName": "ann", "password": wrong(self, "user")}}),
            ),
            (
                "/login",
                json!({"logIn": {"username": "ann", "loginType": "account", "password": wrong(self, "type")}}),
            ),
            (
                "/accounts/login",
                json!({"logInByAccount": {"accountName": "ann", "password": self.canaries.text("a wrong password that is not hashed", &[])}}),
            ),
            (
                "/accounts/login",
                json!({"logInByAccount": {"accountName": self.canaries.text("a password in the place of the name", &[]), "password": "x"}}),
            ),
            (
                "/accounts/login",
                json!({"logInByAccount": {"password": self.canaries.text("a password without a name", &[])}}),
            ),
        ];
        for (path, body) in tries {
            let told = self.ground.ask("nobody", &nobody, "PUT", path, &body.to_string());
            assert!(told.last.status >= 400, "{path} {body}: {}", told.last.text());
        }
        let cleartext = self.canaries.text("a password that is not hashed", &[]);
        let body = json!({"params": {"name": "carl", "password": cleartext}});
        self.ground.ask("admin", &admin, "POST", "/accounts", &body.to_string()).ok();
        self.ground.ask("admin", &admin, "POST", "/accounts", &body.to_string()).error();
        let long = format!("{}{}", self.canaries.word("a password that is too long", &[]), "x".repeat(300));
        let body = json!({"params": {"name": "dora", "password": long}});
        self.ground.ask("admin", &admin, "POST", "/accounts", &body.to_string()).error();

        let own = self.account_uuid("ann");
        let path = format!("/accounts/{own}");
        let (old, new) = (wrong(self, "the old one"), wrong(self, "the new one that is not taken"));
        let body = json!({"updateAccount": {"oldPassword": old, "password": new}});
        self.ground.ask("ann", &ann, "PUT", &path, &body.to_string()).error();
        let foreign = json!({"updateAccount": {"password": wrong(self, "for somebody else")}});
        self.ground.ask("bob", &self.bob.clone(), "PUT", &path, &foreign.to_string()).error();
        let new = self.canaries.text("the new password of ann", &[]);
        let body = json!({"updateAccount": {"password": sha512(&new)}});
        self.ground.ask("ann", &ann, "PUT", &path, &body.to_string()).ok();
        self.ann = self.logged_in("ann", ann.kind, &new);
    }

    /// The uuid of an account.
    pub fn account_uuid(&self, who: &str) -> String {
        let found = self.admin.get(&format!("/accounts?q=name={who}")).ok();
        found["inventories"][0]["uuid"].as_str().expect("an account").to_owned()
    }

    /// Sessions that are looked at, renewed and ended, by their owner and by others.
    pub fn sessions(&mut self) {
        let (ann, bob) = (self.ann.clone(), self.bob.clone());
        let path = |what: &str| format!("/accounts/sessions/{}{what}", ann.session);
        self.ground.ask("bob", &bob, "GET", &path("/valid"), "").ok();
        let renew = json!({"renewSession": {"duration": 60}}).to_string();
        self.ground.ask("bob", &bob, "PUT", &path("/renew"), &renew).error();
        // Unknown here, and so no session of anybody's: what it might be elsewhere is not told all the same.
        let unknown = crate::support::uuid();
        self.canaries.session("a session of another server", &unknown, &[]);
        self.ground.ask("bob", &bob, "PUT", &format!("/accounts/sessions/{unknown}/renew"), &renew).error();
        self.ground.ask("bob", &bob.with(&unknown), "GET", "/longjobs", "").error();
        self.ground.ask("bob", &bob.with(&unknown), "POST", "/accesskeys", "{\"params\":{}}").error();
        self.ground
            .ask(
                "nobody",
                &nobody(self.world.address),
                "DELETE",
                &format!("/accounts/sessions/{unknown}"),
                "",
            )
            .ok();
        // A renewed session is told to who names it; it is one of its own here.
        let body = json!({"logInByAccount": {"accountName": "admin", "password": sha512(&self.password)}});
        let asked = self.ground.ask(
            "admin",
            &nobody(self.world.address),
            "PUT",
            "/accounts/login",
            &body.to_string(),
        );
        let id = asked.inventory()["uuid"].as_str().expect("a session").to_owned();
        let places = [
            "*: PUT /accounts/login* #/inventory/uuid",
            "*: PUT /accounts/sessions/{}/renew* #/inventory/uuid",
        ];
        self.canaries.session("a session that is renewed and ended", &id, &places);
        let renewed = self.admin.with(&id);
        self.ground.ask("admin", &renewed, "PUT", &format!("/accounts/sessions/{id}/renew"), &renew).ok();
        self.ground.ask("admin", &renewed, "DELETE", &format!("/accounts/sessions/{id}"), "").ok();
        self.ground.ask("admin", &renewed, "GET", "/longjobs", "").error();
    }

    /// Access keys: made up and chosen; refused; what they sign.
    pub fn access_keys(&mut self) {
        let ann = self.ann.clone();
        let made = self.ground.ask("ann", &ann, "POST", "/accesskeys", "{\"params\":{}}").inventory();
        let text = |key: &Value, name: &str| key[name].as_str().expect("a text").to_owned();
        self.canaries.known("the secret of an access key", &text(&made, "AccessKeySecret"), &CREATED);
        let shown = [
            "*: POST /accesskeys* #/inventory/AccessKeyID",
            "ann: GET /accesskeys #*/AccessKeyID",
            "admin: GET /accesskeys/{} #*/AccessKeyID",
            "* #/result",
            "*: GET /zql #*/AccessKeyID",
            "?*: PUT /accesskeys* #*/AccessKeyID",
            "ann: GET /* #/error/details",
            "*: GET /accesskeys* #*/AccessKeyID",
            "table access_key.access_id",
            "dump access_key",
            "file data/longhaul.db*",
        ];
        self.canaries.known("the id of an access key, no secret", &text(&made, "AccessKeyID"), &shown);
        let chosen = self.canaries.word("a chosen secret", &CREATED);
        let body = json!({"params": {"AccessKeyID": "Key0000001", "AccessKeySecret": chosen}});
        self.ground.ask("ann", &ann, "POST", "/accesskeys", &body.to_string()).ok();
        for (what, id, tail) in [
            ("taken", "Key0000001", ""),
            ("odd", "Key0000002", " ü"),
            ("long", "Key0000003", "01234567890123456789"),
        ] {
            let secret = format!("{}{tail}", self.canaries.word(&format!("a refused secret: {what}"), &[]));
            let body = json!({"params": {"AccessKeyID": id, "AccessKeySecret": secret}});
            self.ground.ask("ann", &ann, "POST", "/accesskeys", &body.to_string()).error();
        }
        let alone =
            json!({"params": {"AccessKeySecret": self.canaries.word("a secret without its id", &[])}});
        self.ground.ask("ann", &ann, "POST", "/accesskeys", &alone.to_string()).error();
        let signer = Signer {
            caller: ann.with(""),
            uuid: text(&made, "uuid"),
            access_id: text(&made, "AccessKeyID"),
            secret: text(&made, "AccessKeySecret"),
        };
        let disable = json!({"changeAccessKeyState": {"stateEvent": "disable"}}).to_string();
        let path = format!("/accesskeys/{}/actions", signer.uuid);
        for (method, path, body, spoil) in [
            ("GET", "/longjobs", "", ""),
            ("GET", "/longjobs", "", "AAAA"),
            ("PUT", path.as_str(), disable.as_str(), ""),
            ("GET", "/zones", "", ""),
        ] {
            let date = signer.date(0);
            let authorization = format!("{}{spoil}", signer.authorization(method, &date, path));
            let signature = authorization.rsplit(':').next().unwrap_or_default().to_owned();
            self.canaries.known(&format!("a signature of {method} {path}{spoil}"), &signature, &[]);
            let headers = [("Authorization", authorization.as_str()), ("Date", date.as_str())];
            self.ground.ask_with("ann", &signer.caller, method, path, &headers, body);
        }
        self.keys.push(signer.uuid);
    }
}
