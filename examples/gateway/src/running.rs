//! A gateway that runs, and how another configuration takes the place of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use example_support::Tls;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::sleep,
};

use crate::{
    admin::Admin,
    admission::{self, Admission, Limits},
    auth::{self, Memory},
    check,
    clients::{self, Clients},
    config::{self, At, Config, Mistake},
    listen::{self, Bound, Listening, Settings},
    routes::{self, Current, Routes},
    telemetry::{self, Level},
    upstream::Pool,
};

pub(crate) struct Running {
    path: PathBuf,
    config: Config,
    current: Current,
    kept: Kept,
    admission: Admission,
    listeners: Vec<Listening>,
    admin: Option<Listening>,
    /// For the listener of operators.
    endpoints: Admin,
    level: Level,
    /// Connections of sockets that were given up.
    draining: JoinSet<()>,
}

/// What outlives a configuration.
#[derive(Clone, Default)]
struct Kept {
    memory: Memory,
    /// Those of a database, which are remembered; a file is read again.
    clients: Option<(config::Clients, Clients)>,
    pools: Vec<Pool>,
}

/// Everything of a configuration that can fail, but for listening.
fn prepare(config: &Config, mut kept: Kept) -> Result<(Routes, Kept), Mistake> {
    let clients = match kept.clients.take() {
        Some((settings, clients))
            if settings == config.clients && matches!(clients, Clients::Database(_)) =>
        {
            clients
        }
        _ => Clients::open(config)?,
    };
    kept.clients = Some((config.clients.clone(), clients.clone()));
    let base = auth::base(config, clients.clone(), &mut kept.memory)?;
    let routes = Routes::new(config, clients, &base, &mut kept.pools)?;
    // Those of servers that are not used any more go.
    let upstreams = || config.routes.iter().filter_map(|route| route.target.upstream());
    kept.pools.retain(|pool| upstreams().any(|upstream| pool.serves(upstream)));
    Ok((routes, kept))
}

/// Whether a configuration could run. It says what there is, and which clients cannot authenticate.
pub(crate) fn check(path: &Path) -> Result<String, Vec<Mistake>> {
    let config = Config::read(path)?;
    prepare(&config, Kept::default()).map_err(|mistake| vec![mistake])?;
    let (listeners, routes) = (config.listeners.len(), config.routes.len());
    let warnings = check::warnings(&config).into_iter().map(|warning| warning.of_file(path));
    let warnings = warnings.chain(clients::warnings(&config));
    let said: String = warnings.map(|warning| format!("warning: {warning}\n")).collect();
    let name = path.display();
    Ok(format!("{said}{name}: listeners: {listeners}, routes: {routes}, no mistakes"))
}

/// What to accept from: of a listener that has the address already the socket is kept.
struct Sockets {
    bound: Vec<Option<Bound>>,
    tls: Vec<Option<Tls>>,
    admin: Option<Bound>,
}

impl Sockets {
    async fn bind(
        config: &Config,
        listening: &[SocketAddr],
        admin: Option<SocketAddr>,
    ) -> Result<Self, Mistake> {
        async fn bind(address: &At<SocketAddr>) -> Result<Bound, Mistake> {
            let bound = Bound::new(address.value).await;
            bound.map_err(|error| address.mistake(error.to_string()))
        }

        let (mut bound, mut tls) = (Vec::new(), Vec::new());
        let mut kept = listening.to_vec();
        for listener in &config.listeners {
            let address = &listener.address;
            let known = kept.iter().position(|kept| *kept == address.value);
            bound.push(match known {
                Some(place) => {
                    kept.swap_remove(place);
                    None
                }
                None => Some(bind(address).await?),
            });
            let settings = listener.tls.as_ref().map(|settings| {
                listen::tls(settings)
                    .map_err(|error| Mistake { line: settings.line, what: error.to_string() })
            });
            tls.push(settings.transpose()?);
        }
        let admin = match &config.admin {
            Some(address) if admin != Some(address.value) => Some(bind(address).await?),
            _ => None,
        };
        Ok(Self { bound, tls, admin })
    }
}

impl Running {
    /// Begins to serve.
    pub(crate) async fn start(
        path: PathBuf,
        metrics: PrometheusHandle,
        level: Level,
    ) -> Result<Self, Vec<Mistake>> {
        let config = Config::read(&path)?;
        let (routes, kept) = prepare(&config, Kept::default()).map_err(|mistake| vec![mistake])?;
        let sockets = Sockets::bind(&config, &[], None).await.map_err(|mistake| vec![mistake])?;
        let current: Current = Arc::new(ArcSwap::from_pointee(routes));
        let ready = Arc::new(AtomicBool::new(true));
        let endpoints = Admin { metrics: metrics.clone(), ready, current: Arc::clone(&current) };
        tokio::spawn(follow(Arc::clone(&current)));
        tokio::spawn(async move {
            loop {
                sleep(telemetry::UPKEEP).await;
                metrics.run_upkeep();
            }
        });
        let mut running = Self {
            path,
            config: config.clone(),
            current,
            kept,
            admission: Admission::new(Limits::new(&config, admission::descriptors())),
            listeners: Vec::new(),
            admin: None,
            endpoints,
            level,
            draining: JoinSet::new(),
        };
        running.take(config, sockets);
        Ok(running)
    }

    /// Takes another configuration, if it has no mistake, and the old one stays if it has. No connection is
    /// closed whose listener stays, and no request is.
    pub(crate) async fn reload(&mut self) {
        let renewed = self.renew().await;
        telemetry::reloaded(renewed.is_ok());
        match renewed {
            Ok(()) => tracing::info!("the configuration was read again"),
            Err(mistakes) => {
                for Mistake { line, what } in mistakes {
                    tracing::error!(line, mistake = what, "the configuration stays as it was");
                }
            }
        }
    }

    async fn renew(&mut self) -> Result<(), Vec<Mistake>> {
        // Keys and clients are read from disks, while requests are answered.
        let (path, kept) = (self.path.clone(), self.kept.clone());
        let prepared = spawn_blocking(move || {
            let config = Config::read(&path)?;
            let (routes, kept) = prepare(&config, kept).map_err(|mistake| vec![mistake])?;
            Ok::<_, Vec<Mistake>>((config, routes, kept))
        });
        let failed = |error| vec![Mistake { line: 0, what: format!("it was not read: {error}") }];
        let (config, routes, kept) = prepared.await.map_err(failed)??;
        let listening: Vec<_> = self.listeners.iter().map(|listening| listening.address).collect();
        let admin = self.admin.as_ref().map(|admin| admin.address);
        let sockets = Sockets::bind(&config, &listening, admin);
        let sockets = sockets.await.map_err(|mistake| vec![mistake])?;
        // From here on nothing fails.
        self.current.store(Arc::new(routes));
        self.kept = kept;
        self.take(config, sockets);
        Ok(())
    }

    fn take(&mut self, config: Config, sockets: Sockets) {
        self.level.set(config.log);
        self.admission.set(Limits::new(&config, admission::descriptors()));
        for Mistake { line, what } in check::warnings(&config) {
            tracing::warn!(line, warning = what, "a setting may not be what was meant");
        }
        let mut old = std::mem::take(&mut self.listeners);
        let listeners = config.listeners.iter().zip(sockets.bound).zip(sockets.tls);
        for ((listener, bound), tls) in listeners {
            let known = old.iter().position(|old| old.address == listener.address.value);
            match (bound, known) {
                (Some(bound), _) => {
                    announce("listening on", if tls.is_some() { "https" } else { "http" }, &bound);
                    let current = Arc::clone(&self.current);
                    let service = move |request| routes::serve(&current, request);
                    let settings = Settings { tls, send: config.send };
                    self.listeners.push(bound.serve(settings, self.admission.clone(), service));
                }
                (None, Some(known)) => {
                    let known = old.swap_remove(known);
                    known.set(Settings { tls, send: config.send });
                    self.listeners.push(known);
                }
                // `bind` has found it.
                (None, None) => {}
            }
        }
        for listening in old {
            self.draining.spawn(given_up(listening, config.shutdown.drain));
        }
        let stays = self.admin.as_ref().map(|admin| admin.address)
            == config.admin.as_ref().map(|address| address.value);
        if !stays && let Some(admin) = self.admin.take() {
            self.draining.spawn(given_up(admin, config.shutdown.drain));
        }
        if let Some(bound) = sockets.admin {
            announce("admin at", "http", &bound);
            let endpoints = self.endpoints.clone();
            let settings = Settings { tls: None, send: config.send };
            let service = move |request| endpoints.clone().serve(request);
            self.admin = Some(bound.serve(settings, Admission::of_operators(), service));
        }
        self.config = config;
    }

    /// Is not ready any more, then accepts nothing, and ends with the last request, or in time.
    pub(crate) async fn stop(mut self) {
        let shutdown = self.config.shutdown;
        self.endpoints.ready.store(false, Ordering::Release);
        tracing::info!("stopping");
        sleep(shutdown.delay).await;
        for listening in self.listeners {
            self.draining.spawn(given_up(listening, shutdown.drain));
        }
        while self.draining.join_next().await.is_some() {}
        // Until the end, so that operators see what is left.
        if let Some(admin) = self.admin {
            given_up(admin, Duration::from_millis(100)).await;
        }
        tracing::info!("stopped");
    }
}

async fn given_up(listening: Listening, drain: Duration) {
    // It is cut off, if anything.
    let _ended = listening.stop(drain).await;
}

/// Says where it can be reached, which is the sign for scripts that it can.
fn announce(what: &str, scheme: &str, bound: &Bound) {
    if let Ok(address) = bound.local() {
        println!("{what} {scheme}://{address}");
    }
}

/// Looks at the clients again and again.
async fn follow(current: Current) {
    loop {
        let clients = current.load().clients.clone();
        let wait = spawn_blocking(move || clients.refresh()).await;
        sleep(wait.unwrap_or(Duration::from_secs(1))).await;
    }
}
