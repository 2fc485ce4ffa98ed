//! One management node from start to stop: everything is wired together here and nowhere else.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use longhaul_engine::{Engine, EngineConfig, Inventory, Pauses, Registry, TokioRuntime, Trouble};
use longhaul_jobs::attempt_io::Spawner;
use longhaul_jobs::carry::CopySettings;
use longhaul_jobs::evacuate::Evacuate;
use longhaul_jobs::evacuate::board::Boards;
use longhaul_jobs::images::{
    AddImage, AddSettings, CreateTemplate, ExportImage, For, MigrateImage, VolumeFromImage,
};
use longhaul_jobs::import::Import;
use longhaul_jobs::manage::{Desk, storages};
use longhaul_jobs::migrate::{Migrate, ShowVolume};
use longhaul_jobs::pace::Pacer;
use longhaul_jobs::simulator::{Journal, SIMULATE, SIMULATE_ORDERED, SIMULATE_RIGID, Simulator};
use longhaul_jobs::upload::{Intake, UploadSettings};
use longhaul_model::resource::Account;
use longhaul_model::{ADMIN, HostId, Runtime};
use longhaul_store::{Gone, SqliteStore, Store, StoreError};
use longhaul_wire::inventory::{ImageInventory, VolumeInventory};
use longhaul_wire::{TimeFormat, error, job_data};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::App;
use crate::auth::{LoginLimits, Sessions, Signatures, Vault, password};
use crate::bandwidth::Bandwidth;
use crate::data_dir::{self, AdminPassword, Cluster, DataDir};
use crate::global_config::{GlobalConfigs, InForce};
use crate::hooks::{self, Hooks};
use crate::images::{CA_FILE_KEY, Tls, Web};
use crate::ops::tags;
use crate::room::Rooms;
use crate::settings::{Settings, check_types};
use crate::store::{self, Opened, Stopped};
use crate::uploads::Tokens;
use crate::waiting::Waiting;
use crate::{cluster, demo, descriptors, exports, janitor, serve, storage_watch};

/// For tests: while the file of this name exists, a job's success waits right before it is written. Unset in
/// production, and harmless.
const PAUSE_BEFORE_SUCCESS: &str = "LONGHAUL_PAUSE_BEFORE_SUCCESS";
/// The same, right after it is written.
const PAUSE_AFTER_SUCCESS: &str = "LONGHAUL_PAUSE_AFTER_SUCCESS";

/// A running node.
pub struct Node {
    /// Where the API listens.
    pub address: SocketAddr,
    /// Everything a request needs.
    pub app: Arc<App>,
    /// Where the first admin password was put, if it was made now.
    pub password_file: Option<std::path::PathBuf>,
    serving: serve::Serving,
    embedded: Option<Arc<SqliteStore>>,
    data_dir: DataDir,
}

impl Node {
    /// Starts a node: takes the data directory, opens the store, joins, listens.
    ///
    /// # Errors
    /// What stands in the way, and what to do.
    pub async fn start(settings: Settings) -> Result<Self> {
        let listener = TcpListener::bind(settings.listen).await.with_context(|| {
            format!("{} cannot be listened on; choose another with --listen ADDRESS:PORT", settings.listen)
        })?;
        let given = std::env::var("LONGHAUL_ADMIN_PASSWORD").ok().filter(|p| !p.is_empty());
        let given = if settings.demo { Some(demo::PASSWORD.to_owned()) } else { given };
        Self::start_on(settings, listener, given).await
    }

    /// Like `start`, on a socket that listens already, and with the password that the account admin gets at
    /// the first start; `None` makes one up.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_on(
        mut settings: Settings,
        listener: TcpListener,
        admin_password: Option<String>,
    ) -> Result<Self> {
        settings.listen = listener.local_addr()?;
        let connections_max = descriptors::raised();
        let data_dir = DataDir::open(&settings.data_dir)?;
        // What lies below it is told to other processes and compared with other paths.
        settings.data_dir = std::path::absolute(&settings.data_dir)?;
        data_dir.hold_to(settings.demo)?;
        let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::new());
        let (waits, waiting) = watch::channel(false);
        let Opened { store, embedded, cluster, host, secret_key, gone } = tokio::select! {
            opened = store::open(&settings, &data_dir, &runtime, &waits) => opened?,
            never = serve::early::answer(&listener, settings.replies, connections_max, waiting) => match never {},
        };
        let shared = cluster.is_some();
        let password_file = first_account(admin_password, &data_dir, &*store).await?;
        // Now the store is no empty one any more, in which such a directory would begin nothing.
        if let Some(cluster) = &cluster {
            data_dir.remember(cluster)?;
        }
        store.cut_records(cluster::cut(), gone).await?;
        let born_ms = store.account(ADMIN).await?.map_or_else(|| runtime.now_ms(), |a| a.create_ms);
        let format = TimeFormat::new(settings.replies, settings.zone.clone());
        let configs = GlobalConfigs::load(&*store, &settings).await?;
        let inventory = Inventory::new(store.clone(), runtime.clone()).at(host);
        let mut bandwidth = Bandwidth::new(settings.bandwidth.clone());
        // Before anything runs: a copy that goes on does not begin beyond its budget.
        bandwidth.enforce(&inventory).await.map_err(|fault| anyhow!("the budgets of storages: {fault}"))?;
        let pacer = bandwidth.pacer();
        let boards = Boards::default();
        let uploads = UploadSettings { idle_s: configs.upload_idle_s(), ..UploadSettings::default() };
        let given = Shared { host, uploads: uploads.clone(), pacer: pacer.clone(), boards: boards.clone() };
        let registry = registry(&settings, &configs, &format, inventory, given)?;
        settings.limits.iter().try_for_each(|limits| check_types(limits, &registry))?;
        let config = engine_config(&settings, &configs.in_force(), host, gone, secret_key);
        let engine = Engine::start(store.clone(), runtime.clone(), registry, config).await;
        let engine = engine.map_err(|fault| anyhow!("the engine: {fault}"))?;
        let now = configs.in_force();
        let vault = Arc::new(Vault::new(secret_key, runtime.clone()));
        let hooks = Hooks::new(settings.egress_webhooks.clone(), settings.listen, runtime.clone());
        let app = Arc::new(App {
            hooks,
            rooms: Rooms::default(),
            keeping: Trouble::new(
                "answers of calls",
                "no answers of calls can be kept; tried again until they can",
            ),
            waiting: Waiting::new(engine.clone()),
            uploads,
            tokens: Tokens::new(secret_key),
            logins: LoginLimits::new(settings.logins, runtime.clone()),
            signatures: Signatures::new(store.clone(), runtime.clone(), vault.clone()),
            vault,
            sessions: Sessions::new(store.clone(), runtime.clone(), now.session_timeout_s, now.sessions_max),
            configs,
            pacer,
            engine,
            store,
            runtime,
            format,
            settings,
            boards,
            born_ms,
            shared,
        });
        storages::mark_known(&app.desk()).await.map_err(|fault| anyhow!("the primary storages: {fault}"))?;
        if app.settings.demo {
            demo::prepare(&app).await?;
        }
        janitor::start(&app);
        storage_watch::start(&app);
        bandwidth.start(&app);
        hooks::start(&app, gone).await?;
        if shared {
            cluster::start(&app);
        }
        say_where(&app, cluster.as_ref(), &data_dir);
        let serving = serve::start(app.clone(), listener, connections_max);
        Ok(Self { address: app.settings.listen, app, password_file, serving, embedded, data_dir })
    }

    /// Ends in order: attempts save a checkpoint and give their jobs back, or end; all the while calls are answered, and
    /// `/readyz` is 503. Then it stops listening. `again`: whoever stops it waits no more for jobs that could only end
    /// here. Its store is still to be closed.
    pub async fn stop(self, again: impl Future<Output = ()>) -> Stopped {
        let Self { app, serving, embedded, data_dir, .. } = self;
        let patience = Duration::from_secs(app.configs.in_force().drain_s);
        let hurried = async {
            again.await;
            app.engine.hurry();
            std::future::pending().await
        };
        tokio::select! {
            () = app.engine.give_back(patience) => {}
            () = hurried => {}
        }
        // Those who wait for a job whose end this node could bring have been answered.
        app.waiting.close();
        serving.stop().await;
        // Behind the last call: what a node that is gone has in hand is answered by others.
        app.engine.leave().await;
        app.hooks.stop().await;
        Stopped { embedded, runtime: app.runtime.clone(), data_dir }
    }
}

/// Says on which store the node works, and who it is there.
fn say_where(app: &App, cluster: Option<&Cluster>, data_dir: &DataDir) {
    let (node, host) = (app.engine.node(), app.engine.host());
    match cluster {
        Some(Cluster { id, place }) => {
            tracing::info!(%node, %host, cluster = %id, store = %place, "this node works on a store that others may share");
        }
        None => {
            let store = data_dir.path().join(data_dir::STORE_FILE);
            tracing::info!(%node, %host, store = %store.display(), "this node works on its embedded store");
        }
    }
}

fn engine_config(
    settings: &Settings,
    now: &InForce,
    host: HostId,
    gone: Gone,
    secret_key: [u8; 32],
) -> EngineConfig {
    EngineConfig {
        max_running: now.max_running,
        max_running_simulator: now.max_running_simulator,
        limits: settings.limits.clone(),
        cancel_deadline: Duration::from_secs(now.cancel_deadline_s),
        host,
        gone,
        host_name: host_name(),
        address: Some(address(settings)),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        pauses: Pauses {
            before_success: std::env::var_os(PAUSE_BEFORE_SUCCESS).map(Into::into),
            after_success: std::env::var_os(PAUSE_AFTER_SUCCESS).map(Into::into),
        },
        ..EngineConfig::new(|code| error::row(code).0, job_data::parse, secret_key)
    }
}

/// Where this node's API is reached by others.
pub(crate) fn address(settings: &Settings) -> String {
    settings.address.clone().unwrap_or_else(|| exports::base(settings.listen, &host_name()))
}

/// What job types have in common with the rest of the node.
struct Shared {
    host: HostId,
    uploads: UploadSettings,
    pacer: Pacer,
    boards: Boards,
}

fn registry(
    settings: &Settings,
    configs: &GlobalConfigs,
    format: &TimeFormat,
    inventory: Inventory,
    shared: Shared,
) -> Result<Registry> {
    let desk = Desk { inventory, spawner: Spawner::this_binary() };
    let limits = configs.copy_limits();
    let copy = CopySettings { spawner: desk.spawner.clone(), limits, pacer: shared.pacer };
    let adding = adding(settings, format, &desk.inventory, shared.host, copy.clone())?;
    let upload = Intake::new(desk.clone(), shared.uploads, adding.clone());
    let format = format.clone();
    let show: ShowVolume = Arc::new(move |volume| {
        serde_json::to_value(VolumeInventory::of(volume, &format)).unwrap_or_default()
    });
    let migrate = Arc::new(Migrate::new(desk.clone(), copy.clone(), show.clone()));
    let evacuate = Evacuate::new(desk.clone(), copy.clone(), migrate.clone(), shared.boards);
    let mut registry = Registry::default()
        .with(migrate)
        .with(Arc::new(evacuate))
        .with(Arc::new(CreateTemplate::new(desk.clone(), adding.clone(), For::Root)))
        .with(Arc::new(CreateTemplate::new(desk.clone(), adding.clone(), For::Data)))
        .with(Arc::new(MigrateImage::new(desk.clone(), adding.clone())))
        .with(Arc::new(ExportImage::new(desk.clone(), adding.clone())))
        .with(Arc::new(VolumeFromImage::new(desk.clone(), copy.clone(), show.clone())))
        .with(Arc::new(AddImage::new(desk.clone(), adding).with_upload(Arc::new(upload))))
        .with(Arc::new(Import::new(desk, copy, show)));
    if settings.simulator {
        let journal = match &settings.simulator_journal {
            Some(path) => Some(Arc::new(Journal::open(path).map_err(|fault| anyhow!("{fault}"))?)),
            None => None,
        };
        registry = registry
            .with(Arc::new(Simulator::flexible(journal.clone(), error::from_wire)))
            .with(Arc::new(Simulator::rigid(journal.clone(), error::from_wire)))
            .with(Arc::new(Simulator::ordered(journal, error::from_wire)));
    } else {
        for name in [SIMULATE, SIMULATE_RIGID, SIMULATE_ORDERED] {
            registry = registry.without(name, "it exists only with serve --simulator");
        }
    }
    Ok(registry)
}

/// The directory in the data directory that the bytes of images for pools come to first.
pub(crate) const STAGING: &str = "image-staging";

/// What the job types that make images are told.
fn adding(
    settings: &Settings,
    format: &TimeFormat,
    inventory: &Inventory,
    host: HostId,
    copy: CopySettings,
) -> Result<AddSettings> {
    let format = format.clone();
    let tls = Tls::new(settings.image_ca_file.as_deref())
        .with_context(|| format!("the setting {CA_FILE_KEY}: give a file of certificates in PEM"))?;
    Ok(AddSettings {
        host,
        file_roots: settings.image_file_roots.clone(),
        url_bytes_max: settings.image_url_bytes_max,
        network: Arc::new(Web::new(
            settings.egress_images.clone(),
            tls,
            settings.listen,
            inventory.runtime().clone(),
        )),
        show: Arc::new(move |image| {
            serde_json::to_value(ImageInventory::of(image, &format)).unwrap_or_default()
        }),
        tags: Arc::new(tags::of_image),
        copy,
        staging: settings.data_dir.join(STAGING),
        exports: settings.data_dir.join(exports::DIRECTORY),
        base: address(settings),
    })
}

/// The admin account, made at the first start with the given password, or with the one in a private file, which is
/// made up if there is none.
async fn first_account(
    given: Option<String>,
    data_dir: &DataDir,
    store: &dyn Store,
) -> Result<Option<std::path::PathBuf>> {
    if store.account(ADMIN).await?.is_some() {
        return Ok(None);
    }
    let (clear, file, made) = match given {
        Some(clear) => (clear, None, false),
        None => {
            let AdminPassword { clear, file, made } = data_dir.admin_password()?;
            (clear, Some(file), made)
        }
    };
    let hash = password::keep(password::wire_form(&clear)).await.map_err(|fault| anyhow!("{fault}"))?;
    let admin = Account {
        id: ADMIN,
        name: "admin".to_owned(),
        description: None,
        admin: true,
        password_hash: hash,
        create_ms: 0,
        last_op_ms: 0,
    };
    match store.create_account(admin).await {
        Ok(_) => {
            tracing::info!("the store is new: there was nothing in it");
            Ok(file)
        }
        Err(StoreError::Taken) => {
            // Another node was faster, and its password counts.
            if made {
                data_dir::forget_admin_password(data_dir.path())?;
            }
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
