//! One run, from the command line to the exit code.
//!
//! The order of a run is that of `spec/signer.md`: Platform API, flags, inputs,
//! files and credentials as the user that the platform gave them to, the change
//! of user, the receipt's file, and only then the steps of [`phase`], which send
//! requests.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tracing::{debug, error, info, warn};

use super::exit_code::{self, Failure};
use super::failing::{report, words};
use super::inputs::{colour, log_format, log_level};
use super::receipt_file::ReceiptFile;
use super::watch::Watch;
use super::{
    Environment, Flags, Inputs, InputsError, Invocation, Log, Negotiated, hint, key_pair,
    platform_api, privileges, runtime, usage,
};
use crate::attach::Settle;
use crate::config::{CosignConfig, Report};
use crate::file::Files;
use crate::http::roots::LazyRoots;
use crate::http::{Client, Settings};
use crate::oci::{Namespace, Repository};
use crate::phase::{self, ClosedKey, KeySettings, MessageFolder, Mixture, Plan, Receipt, Task};
use crate::secret::{Secret, Secrets};
use crate::service::Variables;
use crate::store::Visible;
use crate::store::registry::credentials::{Ambient, Credentials, Identities, Located, Sources};
use crate::store::registry::{Access, Registries};

/// Runs the phase; gives the exit code. Everything goes to stdout, except Go's
/// words about flags, which go to stderr as the lifecycle's do.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let secrets = Secrets::default();
    // A second run in one process, as tests make it, has no log of its own.
    let log = Log::install(secrets.clone()).ok();
    // `-timeout` counts from here (SIG-46), and a signal is heard from here on.
    let watch = Watch::start(log.clone());
    hide_panics();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // After a panic the log, the watch and the secrets alone are used, and these
    // take their locks poisoned or not.
    let running = AssertUnwindSafe(|| run(arguments, log.as_ref(), &watch, &secrets));
    let crashed = |_| Err(Failure::Panic(watch.visible()));
    let outcome = catch_unwind(running).unwrap_or_else(crashed);
    let code = outcome.as_ref().map_or_else(Failure::exit_code, |_| 0);
    // The code is settled: a signal that comes later does not change it.
    watch.end(code);
    if let Err(failure) = &outcome {
        report(failure, log.as_ref());
    }
    // Every line is scrubbed when it is said, so that the wait for the log's
    // reader below needs no secret in memory.
    secrets.forget();
    if let Some(log) = &log {
        log.finish(|| watch.patience());
    }
    code
}

/// A panic says where it happened, without its message: that could quote a
/// secret.
fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        error!("panicked at {place}");
    }));
}

/// Answers a question, or makes what was asked for. An answer that nobody takes is no
/// failure: Go's flag package and the lifecycle ignore that.
fn run(
    arguments: Vec<OsString>,
    log: Option<&Log>,
    watch: &Watch,
    secrets: &Secrets,
) -> Result<(), Failure> {
    let mut environment = Environment::of_process();
    if let Some(log) = log {
        // An error in the flags, or before them, is reported in the format that
        // they ask for, too. A bad format is an error later, in `begin`.
        let flags = Flags::gleaned(&arguments);
        let format = log_format(&flags, &environment).unwrap_or_default();
        log.dress(colour(&flags, &environment), format);
    }
    // Before the flags (SIG-1), as in the lifecycle: `-version` fails, too,
    // where the platform speaks another version.
    let api = platform_api::negotiate(environment.platform_api.as_deref())
        .map_err(Failure::PlatformApi)?;
    match Invocation::parse(arguments).map_err(Failure::Flag)? {
        Invocation::Help => {
            let _ = write!(io::stderr(), "{}", usage::help());
        }
        Invocation::Version => {
            let _ = writeln!(io::stdout(), "{}", version());
        }
        Invocation::Run(mut flags) => {
            begin(&flags, &environment, api, log)?;
            match flags.key_pair.take() {
                Some(prefix) => key_pair::make(&prefix, flags, &mut environment, watch)?,
                None => sign(flags, &mut environment, watch, secrets)?,
            }
        }
    }
    Ok(())
}

/// `<version>`, or `<version>+<commit>` where the build names its commit: the
/// form of the lifecycle's phases (lifecycle v0.21 `cmd/version.go`).
fn version() -> String {
    match option_env!("SCM_COMMIT") {
        Some(commit) if !commit.is_empty() => format!("{}+{commit}", env!("CARGO_PKG_VERSION")),
        _ => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Sets up the log, and says the first of it.
fn begin(
    flags: &Flags,
    environment: &Environment,
    api: Negotiated,
    log: Option<&Log>,
) -> Result<(), Failure> {
    log_format(flags, environment).map_err(Failure::LogFormat)?;
    let level = log_level(flags, environment).map_err(Failure::LogLevel)?;
    if let Some(log) = log {
        log.show_from(level);
    }
    for lines in flags.unconsumed() {
        // The second `Warning: ` of the line is in the lifecycle's message.
        warn!(lines, "Warning: unconsumed flag-like positional arg: ");
    }
    debug!("Starting signer {}...", version());
    match api {
        Negotiated::Unset => debug!("CNB_PLATFORM_API is not set"),
        Negotiated::Version(api) => debug!("Platform API {}.{}", api.major, api.minor),
    }
    Ok(())
}

/// A run: signing, `-check` or `-generate`.
///
/// # Errors
/// On whatever ends the run early; a receipt has been written then, if the run
/// got as far as its steps.
fn sign(
    flags: Flags,
    environment: &mut Environment,
    watch: &Watch,
    secrets: &Secrets,
) -> Result<(), Failure> {
    let inputs = resolve(flags, environment)?;
    // Before the first key is read (SIG-17). A kernel that refuses it, as under
    // some seccomp filters, is no reason not to sign.
    if let Err(refused) = privileges::harden() {
        warn!("{refused}");
    }
    let until = watch.grant(inputs.timeout);
    let planned = Planned::read(&inputs, environment, secrets, until)?;
    privileges::run_as(inputs.uid, inputs.gid).map_err(Failure::Privileges)?;
    // Receipt and messages belong to the new user, who must be able to write
    // them; that is found out before anything is sent (SIG-39, EVD-71).
    let file = ReceiptFile::find(inputs.receipt.as_deref(), &planned.files, until)?;
    let task = task(&inputs)?;
    let signs = matches!(task, Task::Sign(_));
    let ending = planned.take_steps(&inputs, task, watch)?;
    let mut receipt = ending.receipt;
    receipt.scrub(secrets);
    let written = match file {
        // A receipt of nothing could be taken for one of a run.
        Some(file) if signs => file.write(&receipt),
        _ => Ok(()),
    };
    conclude(ending.outcome, ending.visible, written)?;
    if signs {
        let took = watch.elapsed().as_secs_f64();
        info!("Done in {took:.1} s: {}", receipt.summary());
    }
    Ok(())
}

/// Everything that was read before the user changes. The platform gave the secrets
/// to the user that it started the phase as. Nothing has been sent yet.
struct Planned {
    plan: Plan,
    /// Each key once, in the order of `cosign.toml`.
    closed: Vec<ClosedKey>,
    registries: Arc<Registries>,
    /// The files that no receipt may replace.
    files: Files,
}

/// The end of the steps, before the receipt is written.
struct Ending {
    receipt: Receipt,
    outcome: Result<(), Failure>,
    visible: Visible,
}

impl Planned {
    fn read(
        inputs: &Inputs,
        environment: &mut Environment,
        secrets: &Secrets,
        until: Instant,
    ) -> Result<Self, Failure> {
        // Each key has its copy; this one is wiped here and not at the end of
        // the run (KEY-40).
        let password = environment.cosign_password.take();
        let files = Files::until(until);
        let variables = Variables::new(Environment::lookup(), secrets.clone(), files.clone());
        let (plan, closed) = plan(inputs, password.as_ref(), &variables)?;
        drop(password);
        // EVD-70: only the plan knows whether a config has `signatures`.
        if inputs.generate.is_some() && !plan.awaits_signatures() {
            return Err(Failure::Inputs(InputsError::NothingElsewhere));
        }
        let registries = registries(inputs, environment, &plan, &variables, until)?;
        Ok(Self {
            plan,
            closed,
            registries: Arc::new(registries),
            files,
        })
    }

    /// Takes all steps. The watch knows the exit code when they have ended.
    ///
    /// # Errors
    /// Where no runtime can be started: nothing was sent, and there is no receipt.
    /// A failed step is the [`Ending`]'s outcome instead.
    fn take_steps(self, inputs: &Inputs, task: Task, watch: &Watch) -> Result<Ending, Failure> {
        let registries = &self.registries;
        let runtime = runtime::start().map_err(Failure::Start)?;
        // From here on a run that does not hear of its end has sessions to cancel.
        watch.run(registries);
        let (mut receipt, outcome) = runtime.block_on(async {
            let (plan, limits) = (&self.plan, &inputs.limits);
            let stop = watch.stopped();
            phase::run(
                plan,
                self.closed,
                registries,
                limits,
                task,
                warn_of_mixture,
                stop,
            )
            .await
        });
        receipt.close(outcome.as_ref().err().map(|error| words(error)));
        let outcome = outcome.map_err(Failure::Phase);
        let visible = registries.visible();
        // Ended by force from here on, the run lacks its receipt alone; that
        // counts where something was published (SIG-39).
        let lacks_receipt = visible > Visible::No && inputs.receipt.is_some();
        watch.end(match &outcome {
            Err(failure) => failure.exit_code(),
            Ok(()) => exit_code::without_receipt(lacks_receipt),
        });
        // The run does not wait for a key that is still being unlocked.
        runtime.shutdown_background();
        Ok(Ending {
            receipt,
            outcome,
            visible,
        })
    }
}

fn resolve(flags: Flags, environment: &Environment) -> Result<Inputs, Failure> {
    let inputs = Inputs::resolve(flags, environment).map_err(Failure::Inputs)?;
    for warning in &inputs.warnings {
        warn!("{warning}");
    }
    Ok(inputs)
}

/// One error ends the run; another one becomes a line of the log. The exit code
/// of a failed run is its own, whether its receipt was written or not; that of any
/// other is 117 if something is `visible`: the platform lacks the record of it
/// (SIG-39).
fn conclude(
    outcome: Result<(), Failure>,
    visible: Visible,
    written: Result<(), Failure>,
) -> Result<(), Failure> {
    match (outcome, written) {
        (outcome, Ok(())) => outcome,
        (Err(failure), Err(unwritten)) => {
            warn!("{}", words(&unwritten));
            Err(failure)
        }
        (Ok(()), Err(Failure::Receipt { path, source })) if visible > Visible::No => {
            Err(Failure::Unreported { path, source })
        }
        (Ok(()), unwritten) => unwritten,
    }
}

/// The run's task. A folder for messages is made here, or found to be one that can
/// be written to.
///
/// # Errors
/// On such a folder.
fn task(inputs: &Inputs) -> Result<Task, Failure> {
    if let Some(path) = &inputs.generate {
        let folder = MessageFolder::find(path).map_err(Failure::Generate)?;
        return Ok(Task::Generate(folder));
    }
    Ok(match inputs.settle {
        _ if inputs.is_check => Task::Check,
        None => Task::Sign(Settle::Measured),
        Some(settle) if settle.is_zero() => Task::Sign(Settle::Off),
        Some(settle) => Task::Sign(Settle::Fixed(settle)),
    })
}

/// Given to the steps, which know neither hints nor how a line names a place.
fn warn_of_mixture(mixture: &Mixture) {
    let hint = hint::of_mixture(mixture).unwrap_or_default();
    let place = mixture.place().name();
    warn!(hint = &*hint, place, "{mixture}");
}

/// Reads report and `cosign.toml`, and the files that these name. Nothing is sent.
fn plan(
    inputs: &Inputs,
    cosign_password: Option<&Secret>,
    variables: &Variables,
) -> Result<(Plan, Vec<ClosedKey>), Failure> {
    let files = variables.files();
    let report = Report::read(&inputs.report, files).map_err(Failure::Report)?;
    let config = CosignConfig::read(&inputs.cosign_config, files).map_err(Failure::Config)?;
    let settings = phase::PlanSettings {
        keys: KeySettings {
            cosign_password,
            variables,
        },
        now: jiff::Timestamp::now(),
        created: inputs.created,
        formats: inputs.formats,
    };
    phase::prepare(&report, &config, &settings).map_err(Failure::Phase)
}

/// The registries of the run with the credentials, roots and proxies for them. Files
/// and variables are read here, but for roots, which wait for the first request with
/// TLS, and what a credential helper gives, which is asked for later. Nothing is sent.
fn registries(
    inputs: &Inputs,
    environment: &Environment,
    plan: &Plan,
    variables: &Variables,
    until: Instant,
) -> Result<Registries, Failure> {
    let candidates = environment.config_locations().candidates();
    let credentials = Located::first_of(&candidates).and_then(|docker_config| {
        Credentials::parse(Sources {
            cnb_registry_auth: environment.registry_auth.as_ref().map(Secret::copy),
            docker_auth_config: environment.docker_auth_config.as_ref().map(Secret::copy),
            docker_config,
            helper_path: environment.path.clone(),
            ambient: ambient(plan, inputs.identities, variables),
        })
    });
    // Before the next line of the log, which is scrubbed of them.
    if let Ok(credentials) = &credentials {
        credentials.remember(variables.secrets());
    }
    warn_of_insecure(&inputs.insecure_registries, plan);
    let roots = LazyRoots::new(
        environment.ssl_cert_file.clone(),
        environment.ssl_cert_dir.clone(),
    );
    if inputs.receipt.is_some() {
        let paths = candidates.iter().map(|candidate| candidate.path.as_path());
        note_others(paths, &roots, variables.files());
    }
    if privileges::will_change(inputs.uid, inputs.gid) {
        // The new user may not be able to read them. Otherwise they are read at
        // the first request in TLS, which a run on loopback never makes.
        roots.load();
    }
    let client = Client::new(Settings {
        roots,
        proxies: environment.proxies.copy(),
        secrets: variables.secrets().clone(),
        user_agent: format!("cnb-signer/{}", version()),
        retry_budget: inputs.retry_budget,
        time: inputs.timeout,
        until,
    });
    let access = Access {
        credentials: credentials.map_err(Failure::Credentials)?,
        insecure: inputs.insecure_registries.clone(),
        writable: plan.destinations(),
        manifest_limit: inputs.limits.manifest,
    };
    Ok(Registries::new(Arc::new(client), access))
}

/// Notes the files that others than [`Files`] read: of credentials the first that is
/// there, of roots all, which may be as late as at the first request.
fn note_others<'a>(candidates: impl Iterator<Item = &'a Path>, roots: &LazyRoots, files: &Files) {
    for path in candidates {
        files.note(path, "a file with credentials");
    }
    for path in roots.files() {
        files.note(&path, "a file with certificates");
    }
}

/// The identities that the place of this program has in a cloud, read before the
/// user changes: their files may be readable for the first user alone. Only
/// clouds that one of the plan's registries belongs to are looked at (SIG-100).
fn ambient(plan: &Plan, identities: Identities, variables: &Variables) -> Ambient {
    let repositories = asked(plan);
    let registries = repositories.iter().map(Repository::registry);
    Ambient::find(registries, identities, variables)
}

/// The repositories of the run, those of images and those of signatures.
fn asked(plan: &Plan) -> BTreeSet<Repository> {
    let images = plan.images().iter().map(|image| image.repository.clone());
    let mut asked = plan.destinations();
    asked.extend(images);
    asked
}

/// Warns of each entry, since credentials are sent to whoever answers there; and
/// of an entry that differs from a registry of the run by its port alone, which
/// is not insecure then (SIG-5). The lifecycle compares by text prefix, so that a
/// host without its port works there.
fn warn_of_insecure(insecure: &[Namespace], plan: &Plan) {
    let asked = asked(plan);
    let is_listed = |repository: &&Repository| {
        let mut insecure = insecure.iter();
        insecure.any(|namespace| namespace.contains(repository))
    };
    for namespace in insecure {
        warn!("{namespace} is used without verifying its certificate, or without TLS");
        let (host, registry) = (namespace.registry().host(), namespace.registry());
        let same_host = |repository: &&Repository| {
            let other = repository.registry();
            other != registry && other.host().eq_ignore_ascii_case(host)
        };
        let mut unlisted = asked.iter().filter(|repository| !is_listed(repository));
        if let Some(meant) = unlisted.find(same_host) {
            let hint = hint::of_port(meant.registry());
            warn!(
                hint,
                "{meant} is not in {namespace}, which has another port"
            );
        }
    }
}
