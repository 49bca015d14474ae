//! Fuzz targets for what services answer about stored keys, and for kubeconfigs.

use super::{kube_config, kubernetes, yaml};

/// JSON is YAML, too, unless it has a key twice or is too deep.
pub fn kube_config(data: &[u8]) {
    let _parsed = kube_config::parse(data);
    let json: Result<serde_json::Value, _> = serde_json::from_slice(data);
    if let (Ok(json), Ok(yaml)) = (json, yaml::parse(data)) {
        assert_eq!(json.is_object(), yaml.is_object());
        assert_eq!(json.is_array(), yaml.is_array());
    }
}

/// A Secret is a key, or it is said why not.
pub fn kubernetes_secret(data: &[u8]) {
    if let Ok(stored) = kubernetes::secret(data) {
        assert!(stored.pem.expose().len() < data.len());
    }
}
