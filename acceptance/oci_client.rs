//! An independent client (`oci_distribution`, not our transport) reads back
//! every object and checks every digest.

use oci_distribution::Reference;
use oci_distribution::client::{Client, ClientConfig, ClientProtocol};
use oci_distribution::manifest::OciManifest;
use oci_distribution::secrets::RegistryAuth;

use crate::support::images::Image;
use crate::support::objects::attachment;
use crate::support::real::RealRegistry;
use crate::support::registry::sha256;
use crate::support::runtime;
use crate::support::signer::{Config, Signer};

fn client() -> Client {
    let config = ClientConfig {
        protocol: ClientProtocol::Http,
        // The client refuses to be built without a root, plain HTTP or not.
        ..ClientConfig::default()
    };
    Client::try_from(config).unwrap()
}

#[test]
fn another_client_reads_back_every_object_we_wrote() {
    let registry = RealRegistry::distribution();
    let image = Image::recorded("one-document");
    image.push(registry.remote());
    Signer::of(&image, registry.host())
        .key("p256-cosign3")
        .config(Config::key("ed25519-imported-cosign3").set("export-sbom", "attachment"))
        .run()
        .succeeded();
    let client = client();
    for suffix in ["sig", "att", "sbom"] {
        let tag = image.attached(suffix);
        let ours = attachment(registry.remote(), image.repository(), &tag).unwrap();
        let name = format!("{}/{}:{tag}", registry.host(), image.repository());
        let reference: Reference = name.parse().unwrap();
        let (manifest, digest) = runtime()
            .block_on(client.pull_manifest(&reference, &RegistryAuth::Anonymous))
            .unwrap();
        assert_eq!(digest, ours.manifest.digest());
        let OciManifest::Image(manifest) = manifest else {
            panic!("{tag} is no image manifest");
        };
        assert_eq!(manifest.layers.len(), ours.layers.len());
        let blobs = manifest.layers.iter().chain([&manifest.config]);
        for blob in blobs {
            let mut bytes = Vec::new();
            runtime()
                .block_on(client.pull_blob(&reference, blob, &mut bytes))
                .unwrap();
            assert_eq!(sha256(&bytes), blob.digest);
            assert_eq!(bytes.len() as i64, blob.size);
        }
    }
}
