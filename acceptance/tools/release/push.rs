//! Pushing the image with the signer's own registry client, and the report that
//! the signer reads then.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use signer::cli::Environment;
use signer::http::roots::LazyRoots;
use signer::http::{Client, Settings};
use signer::oci::{Digest, Manifest, Reference, Repository};
use signer::store::registry::credentials::{ConfigLocations, Credentials, Located, Sources};
use signer::store::registry::{Access, Condition, MAX_MANIFEST, Put, Registries};

use super::layout::Layout;

/// How long pushing may take.
const TIME: Duration = Duration::from_secs(10 * 60);

/// A tag that was written.
pub struct Pushed {
    pub tag: String,
    pub digest: Digest,
}

impl Pushed {
    /// The `report.toml` that an exporter would have left.
    pub fn report(&self, repository: &Repository) -> String {
        let (tag, digest) = (&self.tag, &self.digest);
        format!("[image]\n  tags = [\"{repository}:{tag}\"]\n  digest = \"{digest}\"\n")
    }
}

/// Pushes the images under `<version>-linux-<architecture>`, as the lifecycle's
/// are named, then the index under `<version>`. Safe to repeat.
///
/// # Errors
/// On a registry that refuses.
pub async fn push(
    registries: &Registries,
    layout: &Layout,
    repository: &Repository,
    version: &str,
) -> Result<Vec<Pushed>> {
    let mut pushed = Vec::new();
    for image in &layout.images {
        for blob in &image.blobs {
            let content = blob.bytes.clone().into();
            registries
                .put_blob(repository, &blob.digest, &content)
                .await?;
        }
        let tag = format!("{version}-linux-{}", image.architecture.lifecycle());
        pushed.push(put(registries, repository, tag, &image.manifest).await?);
    }
    let index = put(registries, repository, version.to_owned(), &layout.index);
    pushed.push(index.await?);
    registries.cancel_sessions().await;
    Ok(pushed)
}

async fn put(
    registries: &Registries,
    repository: &Repository,
    tag: String,
    manifest: &Manifest,
) -> Result<Pushed> {
    let name = format!("{repository}:{tag}");
    let reference: Reference = name.parse()?;
    let outcome = registries
        .put_manifest(&reference, manifest, &Condition::Always, Duration::MAX)
        .await
        .answer?;
    match outcome {
        Put::Written => {}
        other => bail!("the registry does not take `{name}`: {other:?}"),
    }
    let digest = manifest.digest().clone();
    Ok(Pushed { tag, digest })
}

/// The registries as the signer itself reaches them.
///
/// # Errors
/// On credentials that cannot be read.
pub fn registries(environment: &Environment, repository: &Repository) -> Result<Registries> {
    let locations = ConfigLocations {
        home: environment.home.clone(),
        docker_config: environment.docker_config.clone(),
        registry_auth_file: environment.registry_auth_file.clone(),
        xdg_runtime_dir: environment.xdg_runtime_dir.clone(),
        xdg_config_home: environment.xdg_config_home.clone(),
    };
    let copy = signer::secret::Secret::copy;
    let credentials = Credentials::parse(Sources {
        cnb_registry_auth: environment.registry_auth.as_ref().map(copy),
        docker_auth_config: environment.docker_auth_config.as_ref().map(copy),
        docker_config: Located::first_of(&locations.candidates())?,
        helper_path: environment.path.clone(),
        ..Sources::default()
    });
    let roots = LazyRoots::new(
        environment.ssl_cert_file.clone(),
        environment.ssl_cert_dir.clone(),
    );
    let client = Client::new(Settings {
        roots,
        proxies: environment.proxies.copy(),
        secrets: Default::default(),
        user_agent: concat!("cnb-signer-release/", env!("CARGO_PKG_VERSION")).to_owned(),
        retry_budget: Duration::from_secs(60),
        time: TIME,
        until: Instant::now() + TIME,
    });
    let access = Access {
        credentials: credentials.context("the registry's credentials")?,
        insecure: Vec::new(),
        writable: [repository.clone()].into(),
        manifest_limit: MAX_MANIFEST,
    };
    Ok(Registries::new(client.into(), access))
}
