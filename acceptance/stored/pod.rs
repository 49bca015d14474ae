//! The service account of a pod, beside a kubeconfig.

use tempfile::TempDir;

use super::{
    TOKEN, bare_config, by, cluster, config, seeded, trusting, verified, with_config,
    without_canaries,
};
use crate::support::needs::{Need, is_here};
use crate::support::services::stand_in::{StandIn, Transport};
use crate::support::signer::Signer;

/// A signer in a pod whose service account has [`TOKEN`] at this cluster.
fn in_pod(signer: Signer, cluster: &StandIn, account: &TempDir) -> Signer {
    std::fs::write(account.path().join("token"), TOKEN).unwrap();
    std::fs::write(account.path().join("ca.crt"), cluster.authority()).unwrap();
    let (host, port) = cluster.host().split_once(':').unwrap();
    let script = format!(
        "mount -t tmpfs none /var/run && mkdir -p /var/run/secrets/kubernetes.io/serviceaccount \
         && mount --bind {} /var/run/secrets/kubernetes.io/serviceaccount && exec \"$0\" \"$@\"",
        account.path().display()
    );
    signer
        .environment("KUBERNETES_SERVICE_HOST", host)
        .environment("KUBERNETES_SERVICE_PORT", port)
        .within(&["unshare", "--mount", "sh", "-c", &script])
}

/// KEY-71
#[test]
fn a_pod_asks_as_its_service_account() {
    if is_here(Need::Mounts) {
        let (registry, image) = seeded();
        let service = cluster(Transport::Https(&[]));
        let account = tempfile::tempdir().unwrap();
        // A kubeconfig without a current context is none, and so is a list of files that
        // are not there.
        let config = config(&trusting(&service), "    token: stale");
        let config = config.replace("current-context: here", "current-context: \"\"");
        for config in ["apiVersion: v1\n", &bare_config("\"\""), &config] {
            let signer = with_config(&registry, &image, config);
            without_canaries(in_pod(signer, &service, &account)).succeeded();
        }
        let signer = by(&registry, &image, "k8s://team/cosign");
        let signer = signer.environment("KUBECONFIG", "/absent:/absent/too");
        without_canaries(in_pod(signer, &service, &account)).succeeded();
        verified(&registry, &image);
        let asked = service.recorded();
        assert_eq!(asked.len(), 4);
        for asked in asked {
            let shown = asked.header("authorization");
            assert_eq!(shown, Some(&*format!("Bearer {TOKEN}")));
        }
    }
}

/// As `cosign` does: whoever gives a kubeconfig to a pod means another cluster
/// than the pod's, or another user.
///
/// KEY-71
#[test]
fn a_kubeconfig_comes_before_the_service_account_of_a_pod() {
    if is_here(Need::Mounts) {
        let (registry, image) = seeded();
        let own = cluster(Transport::Https(&[]));
        let meant = cluster(Transport::Https(&[]));
        let account = tempfile::tempdir().unwrap();
        let config = config(&trusting(&meant), &format!("    token: {TOKEN}"));
        let signer = with_config(&registry, &image, &config);
        without_canaries(in_pod(signer, &own, &account)).succeeded();
        let file = account.path().join("kubeconfig");
        std::fs::write(&file, &config).unwrap();
        let signer = by(&registry, &image, "k8s://team/cosign");
        let signer = signer.environment("KUBECONFIG", file.to_str().unwrap());
        without_canaries(in_pod(signer, &own, &account)).succeeded();
        assert_eq!((own.recorded().len(), meant.recorded().len()), (0, 2));
    }
}
