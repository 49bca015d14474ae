//! Regions, the partitions that they lie in, and the hosts of AWS's services
//! there (AWS General Reference, "Service endpoints"; the rules of
//! aws-sdk-go-v2 `internal/endpoints/awsrulesfn/partitions.json`).
//!
//! A region that is made tomorrow lies in the partition that its name begins
//! with: no list of regions is kept.

use std::fmt;

use crate::service::AwsApi;

/// A region's name, as it may stand in the name of a host: another text would
/// choose the host that gets a signed request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region(String);

/// The wishes of a user for an endpoint, beside its region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Variant {
    /// FIPS 140 alone.
    pub(super) fips: bool,
    /// IPv6, too.
    pub(super) dual_stack: bool,
}

impl Region {
    /// A region, unless the text cannot be a part of a host's name.
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=32).contains(&text.len()) && text.bytes().all(is_allowed);
        is_name.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ends of host names: of plain ones, and of those with IPv6.
    fn suffixes(&self) -> (&'static str, &'static str) {
        let begins = |prefix: &str| self.0.starts_with(prefix);
        match () {
            () if begins("cn-") => ("amazonaws.com.cn", "api.amazonwebservices.com.cn"),
            () if begins("us-iso-") => ("c2s.ic.gov", "api.aws.ic.gov"),
            () if begins("us-isob-") => ("sc2s.sgov.gov", "api.aws.scloud"),
            () if begins("eu-isoe-") => ("cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
            () if begins("us-isof-") => ("csp.hci.ic.gov", "api.aws.hci.ic.gov"),
            () if begins("eusc-") => ("amazonaws.eu", "api.amazonwebservices.eu"),
            () => ("amazonaws.com", "api.aws"),
        }
    }

    /// The host of a service in this region.
    pub(super) fn host(&self, api: AwsApi, variant: Variant) -> String {
        let name = match (api, variant.dual_stack) {
            (AwsApi::Kms, _) => "kms",
            (AwsApi::Sts, _) => "sts",
            (AwsApi::Ecr, false) if variant.fips => "ecr",
            (AwsApi::Ecr, false) => "api.ecr",
            (AwsApi::Ecr, true) => "ecr",
            (AwsApi::EcrPublic, false) => "api.ecr-public",
            (AwsApi::EcrPublic, true) => "ecr-public",
        };
        // In this partition all endpoints of the service are such.
        let is_fips_anyway = api == AwsApi::Sts && self.0.starts_with("us-gov-");
        let fips = match variant.fips && !is_fips_anyway {
            true => "-fips",
            false => "",
        };
        let (plain, dual) = self.suffixes();
        let suffix = if variant.dual_stack { dual } else { plain };
        format!("{name}{fips}.{self}.{suffix}")
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_host_in_every_partition() {
        let plain = Variant::default();
        let fips = Variant {
            fips: true,
            dual_stack: false,
        };
        let dual_stack = Variant {
            fips: false,
            dual_stack: true,
        };
        for (api, region, variant, host) in [
            (
                AwsApi::Kms,
                "eu-west-1",
                plain,
                "kms.eu-west-1.amazonaws.com",
            ),
            (
                AwsApi::Kms,
                "cn-north-1",
                plain,
                "kms.cn-north-1.amazonaws.com.cn",
            ),
            (
                AwsApi::Kms,
                "us-gov-west-1",
                fips,
                "kms-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                AwsApi::Sts,
                "us-gov-west-1",
                fips,
                "sts.us-gov-west-1.amazonaws.com",
            ),
            (
                AwsApi::Sts,
                "us-east-2",
                fips,
                "sts-fips.us-east-2.amazonaws.com",
            ),
            (
                AwsApi::Kms,
                "us-east-2",
                dual_stack,
                "kms.us-east-2.api.aws",
            ),
            (
                AwsApi::Kms,
                "us-isob-east-1",
                plain,
                "kms.us-isob-east-1.sc2s.sgov.gov",
            ),
            (
                AwsApi::Kms,
                "eusc-de-east-1",
                plain,
                "kms.eusc-de-east-1.amazonaws.eu",
            ),
            (
                AwsApi::Ecr,
                "us-east-1",
                plain,
                "api.ecr.us-east-1.amazonaws.com",
            ),
            (
                AwsApi::Ecr,
                "us-east-1",
                fips,
                "ecr-fips.us-east-1.amazonaws.com",
            ),
            (
                AwsApi::Ecr,
                "us-east-1",
                dual_stack,
                "ecr.us-east-1.api.aws",
            ),
            (
                AwsApi::EcrPublic,
                "us-east-1",
                plain,
                "api.ecr-public.us-east-1.amazonaws.com",
            ),
        ] {
            let region = Region::parse(region).unwrap();
            assert_eq!(region.host(api, variant), host);
        }
    }

    #[test]
    fn no_region_leads_to_another_host() {
        for text in ["", "EU-WEST-1", "a.b", "a/b", "a@b", "a b", &"a".repeat(33)] {
            assert_eq!(Region::parse(text), None, "{text}");
        }
    }
}
