//! A simulator, people with phones, and a linked session for the shipped binary.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use tempfile::TempDir;

use super::{BridgeSetup, loong_binary};
use crate::wa_sim::{
    address::DeviceJid,
    control::{Control, router},
    link::{LinkOptions, link_session},
    phone::{Phone, PhoneOptions, book::PhoneBook},
    server::{SimOptions, SimServer},
};

/// What a world is made of.
#[derive(Debug, Clone, Copy)]
pub struct WorldOptions {
    /// Fixes keys, numbers and ids.
    pub seed: u64,
    /// How many people besides the account's owner.
    pub people: usize,
}

/// See the module's documentation. Dropping it removes its folder.
#[derive(Debug)]
pub struct World {
    /// The server.
    pub sim: SimServer,
    /// The owner's phone.
    pub owner: Arc<Phone>,
    /// The owner's number, digits.
    pub own_number: String,
    /// The linked device that the shipped binary is.
    pub device: DeviceJid,
    /// Everybody else.
    pub people: Vec<Arc<Phone>>,
    /// All phones, for making more.
    pub book: PhoneBook,
    home: TempDir,
    auth_dir: PathBuf,
}

impl World {
    /// Starts a simulator and links a session by hand-out.
    ///
    /// # Errors
    /// When any part cannot be set up.
    pub async fn start(options: WorldOptions) -> anyhow::Result<Self> {
        let mut book = None;
        let sim = SimServer::start(
            SimOptions {
                seed: options.seed,
                ..SimOptions::default()
            },
            |hub| {
                let phones = book.insert(PhoneBook::new(hub)).clone();
                router(Control::new(phones))
            },
        )
        .await
        .context("starting the simulator")?;
        let book = book.context("the control API was built")?;
        let person = |name: String| {
            book.create(PhoneOptions {
                push_name: name,
                ..PhoneOptions::default()
            })
        };
        let owner = person("Owner".to_owned())?;
        let people = (1..=options.people)
            .map(|n| person(format!("Person {n}")))
            .collect::<Result<Vec<_>, _>>()?;
        let hub = sim.hub();
        let home = tempfile::tempdir().context("a folder for the bridge")?;
        let auth_dir = home.path().join("session");
        let key_file = home.path().join("master.key");
        let linked = link_session(hub, &owner, &LinkOptions::new(&auth_dir, &key_file))
            .await
            .context("handing out a linked session")?;
        Ok(Self {
            own_number: owner.number().to_owned(),
            device: linked.device,
            owner,
            people,
            book,
            sim,
            home,
            auth_dir,
        })
    }

    /// The folder that stands for the user's home.
    #[must_use]
    pub fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// The folder of the linked session.
    #[must_use]
    pub fn auth_dir(&self) -> &std::path::Path {
        &self.auth_dir
    }

    /// A bridge on the linked session that accepts everybody.
    ///
    /// # Panics
    /// When there is no `loong` binary; the message says how to build it.
    #[must_use]
    pub fn bridge(&self) -> BridgeSetup {
        self.bridge_with(&["--allow", "*"])
    }

    /// A bridge on an empty folder, for linking; `binary` because the shipped one
    /// refuses the simulator's certificate.
    #[must_use]
    pub fn unlinked_bridge(&self, binary: &std::path::Path, folder: &str) -> BridgeSetup {
        self.setup(binary, &self.home.path().join(folder))
    }

    /// A bridge on the linked session with these further arguments.
    ///
    /// # Panics
    /// When there is no `loong` binary; the message says how to build it.
    #[must_use]
    pub fn bridge_with(&self, args: &[&str]) -> BridgeSetup {
        let binary = loong_binary().unwrap_or_else(|error| panic!("{error:#}"));
        let mut setup = self.setup(&binary, &self.auth_dir);
        for arg in args {
            setup = setup.arg(*arg);
        }
        setup
    }

    fn setup(&self, binary: &std::path::Path, auth_dir: &std::path::Path) -> BridgeSetup {
        let key = self.home.path().join("master.key");
        let setup = BridgeSetup::new(binary, self.home.path())
            .arg("--auth-dir")
            .arg(auth_dir.display().to_string())
            .env("LOONG_WHATSAPP_URL", self.sim.ws_url())
            .env("LOONG_WHATSAPP_VERSION", "2.3000.1");
        setup.env("LOONG_MASTER_KEY_FILE", key.display().to_string())
    }
}
