//! A simulator with phones, and the clients that a scenario puts on it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use tempfile::TempDir;
use tokio::sync::broadcast::error::RecvError;
use whatsapp_rust::wacore::store::InMemoryBackend;

use super::baileys::{Baileys, BaileysSetup};
use super::heard::PATIENCE;
use super::plain::{Plain, PlainSetup};
use crate::harness::{BridgeSetup, loong_binary};
use crate::wa_sim::address::DeviceJid;
use crate::wa_sim::control::{Control, router};
use crate::wa_sim::faults::Fault;
use crate::wa_sim::link::{LinkOptions, link_session};
use crate::wa_sim::phone::book::PhoneBook;
use crate::wa_sim::phone::linking::LinkOptions as PairOptions;
use crate::wa_sim::phone::{Phone, PhoneOptions};
use crate::wa_sim::server::{SimOptions, SimServer};

/// The protocol version that the bridge is told to use.
const VERSION: &str = "2.3000.1027934701";

/// What clients connect to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StageOptions {
    /// Fixes keys, numbers and ids.
    pub seed: u64,
    /// Over TLS, with every frame to clients compressed.
    pub wrapped: bool,
}

/// See the module's documentation. Dropping it removes its folder.
#[derive(Debug)]
pub struct Stage {
    url: String,
    ca_file: Option<PathBuf>,
    sim: SimServer,
    book: PhoneBook,
    folder: TempDir,
    made: AtomicU64,
}

impl Stage {
    /// Starts a simulator.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(options: StageOptions) -> Result<Self> {
        let mut book = None;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = SimOptions {
            seed: options.seed,
            compress: options.wrapped,
            tls_listen: options.wrapped.then_some(loopback),
            ..SimOptions::default()
        };
        let sim = SimServer::start(server, |hub| {
            let phones = book.insert(PhoneBook::new(hub)).clone();
            router(Control::new(phones))
        });
        let sim = sim.await.context("starting the simulator")?;
        let folder = tempfile::tempdir()?;
        let mut ca_file = None;
        if let Some(pem) = sim.ca_pem() {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, pem)?;
            ca_file = Some(path);
        }
        Ok(Self {
            url: sim.wss_url().unwrap_or_else(|| sim.ws_url()),
            ca_file,
            book: book.context("the control API was built")?,
            sim,
            folder,
            made: AtomicU64::new(0),
        })
    }

    /// Stops the simulator.
    pub async fn end(self) {
        self.sim.shutdown().await;
    }

    /// A new person.
    ///
    /// # Errors
    /// When the phone cannot be made.
    pub(super) fn phone(&self, name: &str, by_lid: bool) -> Result<Arc<Phone>> {
        let options = PhoneOptions {
            push_name: name.to_owned(),
            by_lid,
            ..PhoneOptions::default()
        };
        Ok(self.book.create(options)?)
    }

    /// How to start a Baileys with storage of its own.
    pub(super) fn baileys(&self, name: &str) -> BaileysSetup {
        BaileysSetup {
            name: format!("Baileys {name}"),
            url: self.url.clone(),
            ca_file: self.ca_file.clone(),
            auth_dir: self.new_folder("baileys"),
            phone: None,
            custom_code: None,
        }
    }

    /// A Baileys that has been linked to `phone` by QR code and is open.
    ///
    /// # Errors
    /// When it does not get there.
    pub(super) async fn linked_baileys(
        &self,
        name: &str,
        phone: &Phone,
    ) -> Result<(BaileysSetup, Baileys)> {
        let setup = self.baileys(name);
        let client = Baileys::start(&setup)?;
        phone
            .scan_qr(&client.qr().await?, PairOptions::default())
            .await
            .context("scanning its QR code")?;
        client.open().await?;
        Ok((setup, client))
    }

    /// How to start a plain `whatsapp-rust` with a store of its own.
    pub(super) fn plain(&self, name: &str) -> PlainSetup {
        PlainSetup {
            name: format!("whatsapp-rust {name}"),
            url: self.url.clone(),
            ca_file: self.ca_file.clone(),
            store: Arc::new(InMemoryBackend::new()),
            phone: None,
            custom_code: None,
        }
    }

    /// A `whatsapp-rust` that has been linked to `phone` by QR code and is
    /// connected.
    ///
    /// # Errors
    /// When it does not get there.
    pub(super) async fn linked_plain(
        &self,
        name: &str,
        phone: &Phone,
    ) -> Result<(PlainSetup, Plain)> {
        let setup = self.plain(name);
        let client = Plain::start(&setup).await?;
        phone
            .scan_qr(&client.qr().await?, PairOptions::default())
            .await
            .context("scanning its QR code")?;
        client.connected().await?;
        Ok((setup, client))
    }

    /// The shipped bridge as a companion of `phone`, accepting everybody.
    ///
    /// # Errors
    /// When there is no binary, or no session can be handed out.
    pub(super) async fn bridge(&self, phone: &Phone) -> Result<BridgeSetup> {
        let home = self.new_folder("bridge");
        let (session, key) = (home.join("session"), home.join("master.key"));
        std::fs::create_dir_all(&home)?;
        let options = LinkOptions::new(&session, &key);
        link_session(self.sim.hub(), phone, &options)
            .await
            .context("handing out a session")?;
        let mut setup = BridgeSetup::new(&loong_binary()?, &home)
            .arg("--auth-dir")
            .arg(session.display().to_string())
            .arg("--allow")
            .arg("*")
            .env("LOONG_WHATSAPP_URL", self.url.clone())
            .env("LOONG_WHATSAPP_VERSION", VERSION)
            .env("LOONG_MASTER_KEY_FILE", key.display().to_string());
        if let Some(ca) = &self.ca_file {
            setup = setup.env("LOONG_WHATSAPP_CA", ca.display().to_string());
        }
        Ok(setup)
    }

    /// Types the code that a companion shows into the phone, once the server has
    /// heard that the companion asks for one.
    ///
    /// # Errors
    /// When it never asks, or the code is wrong.
    pub(super) async fn enter_code(&self, phone: &Phone, code: &str) -> Result<()> {
        let mut events = self.sim.hub().events();
        let asked = async {
            while !self
                .sim
                .hub()
                .pairings_for(phone.number())
                .iter()
                .any(|p| p.code.is_some())
            {
                match events.recv().await {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break,
                }
            }
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .context("the server never heard of the pairing code")?;
        phone
            .enter_code(code, PairOptions::default())
            .await
            .context("entering its pairing code")?;
        Ok(())
    }

    /// A group that `creator` makes on their phone; its JID.
    ///
    /// # Errors
    /// When a member does not exist.
    pub(super) fn group(
        &self,
        creator: &Phone,
        subject: &str,
        members: &[&str],
        by_lid: bool,
    ) -> Result<String> {
        let members: Vec<String> = members.iter().map(|&number| number.to_owned()).collect();
        Ok(self
            .sim
            .hub()
            .create_group(creator.number(), subject, &members, by_lid)?
            .to_string())
    }

    /// Lets something go wrong for the newest companion of `phone`.
    ///
    /// # Errors
    /// When it has none.
    pub(super) fn inject(&self, phone: &Phone, fault: Fault) -> Result<()> {
        let device = self.companion(phone)?;
        self.sim.hub().inject(Some(device), fault);
        Ok(())
    }

    /// The newest companion of `phone`.
    ///
    /// # Errors
    /// When it has none.
    pub(super) fn companion(&self, phone: &Phone) -> Result<DeviceJid> {
        let account = self.sim.hub().account(phone.number());
        let account = account.context("the account")?;
        let newest = account.devices.iter().copied().max();
        let newest = newest.filter(|device| *device > 0).context("a companion")?;
        Ok(DeviceJid::new(account.number, newest))
    }

    fn new_folder(&self, kind: &str) -> PathBuf {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(format!("{kind}-{number}"))
    }
}
