//! One run, from the command line to the exit code.

use std::ffi::OsString;

use tokio::signal::unix::SignalKind;
use tracing::{debug, error, info, warn};

use super::exit_code::Failure;
use super::inputs::log_settings;
use super::{
    Environment, Flags, Inputs, Log, Negotiated, Request, causes, flags, platform_api, privileges,
};
use crate::attach::Settle;
use crate::config::{CosignConfig, Report};
use crate::http::roots::LazyRoots;
use crate::http::{Client, Settings};
use crate::phase::{self, Locked, Plan, Receipt, Signal};
use crate::secret::Secret;
use crate::store::registry::credentials::{
    ConfigLocations, Credentials, DockerConfigFile, Sources,
};
use crate::store::registry::{Access, Registries};

/// Runs the phase; gives the exit code. Everything that is said goes to stdout,
/// except Go's words about flags, which go to stderr as the lifecycle's do.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let log = Log::install().ok();
    hide_panics();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let outcome = std::panic::catch_unwind(move || run(arguments, log.as_ref()));
    let outcome = outcome.unwrap_or(Err(Failure::Panic));
    let Err(failure) = outcome else {
        return 0;
    };
    report(&failure);
    failure.exit_code()
}

/// A panic says where it happened, and nothing of what was being handled.
fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        error!("panicked at {place}");
    }));
}

#[expect(clippy::print_stderr, reason = "Go's flag package prints there")]
fn report(failure: &Failure) {
    if let Failure::Flag(bad) = failure {
        eprint!("{bad}\n{}", flags::usage());
        return;
    }
    let causes = chain(failure);
    match failure.hint() {
        Some(hint) => error!(hint, "{causes}"),
        None => error!("{causes}"),
    }
}

/// An error and its causes in one line.
fn chain(failure: &Failure) -> String {
    let causes = anyhow::Chain::new(failure).map(causes::words);
    causes.collect::<Vec<_>>().join(": ")
}

#[expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "as Go's flag package and the lifecycle do"
)]
fn run(arguments: Vec<OsString>, log: Option<&Log>) -> Result<(), Failure> {
    let environment = Environment::of_process();
    let api = platform_api::negotiate(environment.platform_api.as_deref())
        .map_err(Failure::PlatformApi)?;
    match Request::parse(arguments).map_err(Failure::Flag)? {
        Request::Help => eprint!("{}", flags::usage()),
        Request::Version => println!("{}", version()),
        Request::Run(flags) => sign(flags, &environment, api, log)?,
    }
    Ok(())
}

/// `<version>`, or `<version>+<commit>` where the build names its commit.
fn version() -> String {
    match option_env!("SCM_COMMIT") {
        Some(commit) if !commit.is_empty() => format!("{}+{commit}", env!("CARGO_PKG_VERSION")),
        _ => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn sign(
    flags: Flags,
    environment: &Environment,
    api: Negotiated,
    log: Option<&Log>,
) -> Result<(), Failure> {
    let (level, colour) = log_settings(&flags, environment).map_err(Failure::LogLevel)?;
    if let Some(log) = log {
        log.configure(level, colour);
    }
    for lines in flags.unconsumed() {
        warn!(lines, "Warning: unconsumed flag-like positional arg: ");
    }
    debug!("Starting signer {}...", version());
    match api {
        Negotiated::Unset => debug!("CNB_PLATFORM_API is not set"),
        Negotiated::Version(api) => debug!("Platform API {}.{}", api.major, api.minor),
    }
    let inputs = Inputs::resolve(flags, environment).map_err(Failure::Inputs)?;
    for warning in &inputs.warnings {
        warn!("{warning}");
    }
    if let Err(refused) = privileges::harden() {
        warn!("{refused}");
    }
    // Secrets are read as the user that the platform started the phase as.
    let (plan, locked) = plan(&inputs, environment)?;
    let registries = registries(&inputs, environment, &plan)?;
    privileges::run_as(inputs.uid, inputs.gid).map_err(Failure::Privileges)?;
    probe_receipt(&inputs)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Start)?;
    let (receipt, outcome) = runtime.block_on(async {
        let signal = signal();
        let (limits, settle) = (&inputs.limits, settle(&inputs));
        phase::run(&plan, locked, &registries, limits, settle, signal).await
    });
    // A key that is still being unlocked is not waited for.
    runtime.shutdown_background();
    let written = write_receipt(&inputs, &receipt);
    let Err(error) = outcome else {
        return written;
    };
    // One error ends the run; the other is said.
    if let Err(failure) = written {
        warn!("{}", chain(&failure));
    }
    Err(Failure::Phase(error))
}

/// Waits for a signal that asks the run to stop.
async fn signal() -> Signal {
    let listen = |kind: SignalKind| async move {
        match tokio::signal::unix::signal(kind) {
            Ok(mut signals) => signals.recv().await.unwrap_or_default(),
            // Nobody can stop us then but by force.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = listen(SignalKind::interrupt()) => Signal::Interrupt,
        () = listen(SignalKind::terminate()) => Signal::Terminate,
    }
}

fn settle(inputs: &Inputs) -> Settle {
    match inputs.settle {
        None => Settle::Measured,
        Some(settle) if settle.is_zero() => Settle::Off,
        Some(settle) => Settle::Fixed(settle),
    }
}

fn plan(inputs: &Inputs, environment: &Environment) -> Result<(Plan, Vec<Locked>), Failure> {
    let report = Report::read(&inputs.report).map_err(Failure::Report)?;
    let config = CosignConfig::read(&inputs.cosign_config).map_err(Failure::Config)?;
    let password = environment.cosign_password.as_ref();
    phase::prepare(&report, &config, password, inputs.created).map_err(Failure::Phase)
}

fn registries(
    inputs: &Inputs,
    environment: &Environment,
    plan: &Plan,
) -> Result<Registries, Failure> {
    let locations = ConfigLocations {
        home: environment.home.clone(),
        docker_config: environment.docker_config.clone(),
        registry_auth_file: environment.registry_auth_file.clone(),
        xdg_runtime_dir: environment.xdg_runtime_dir.clone(),
        xdg_config_home: environment.xdg_config_home.clone(),
    };
    let credentials =
        DockerConfigFile::read_first(&locations.candidates()).and_then(|docker_config| {
            Credentials::parse(Sources {
                cnb_registry_auth: environment.registry_auth.as_ref().map(Secret::copy),
                docker_auth_config: environment.docker_auth_config.as_ref().map(Secret::copy),
                docker_config,
                helper_path: environment.path.clone(),
            })
        });
    for registry in &inputs.insecure_registries {
        warn!("{registry} is used without verifying its certificate, or without TLS");
    }
    let roots = LazyRoots::new(
        environment.ssl_cert_file.clone(),
        environment.ssl_cert_dir.clone(),
    );
    if privileges::will_change(inputs.uid, inputs.gid) {
        // Another user may not be able to read them.
        roots.load();
    }
    let client = Client::new(Settings {
        roots,
        proxies: environment.proxies.copy(),
        user_agent: format!("cnb-signer/{}", version()),
        retry_budget: inputs.retry_budget,
        time: inputs.timeout,
    });
    let access = Access {
        credentials: credentials.map_err(Failure::Credentials)?,
        insecure: inputs.insecure_registries.clone(),
        writable: plan.destinations(),
        manifest_limit: inputs.limits.manifest,
    };
    Ok(Registries::new(client, access))
}

fn probe_receipt(inputs: &Inputs) -> Result<(), Failure> {
    let Some(path) = &inputs.receipt else {
        return Ok(());
    };
    Receipt::probe(path).map_err(|source| Failure::Receipt {
        path: path.clone(),
        source,
    })
}

fn write_receipt(inputs: &Inputs, receipt: &Receipt) -> Result<(), Failure> {
    let Some(path) = &inputs.receipt else {
        return Ok(());
    };
    receipt.write(path).map_err(|source| Failure::Receipt {
        path: path.clone(),
        source,
    })?;
    info!("Wrote the receipt to {}", path.display());
    Ok(())
}
