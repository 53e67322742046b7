//! Signature Version 4, by the crate that Amazon's own SDK signs with.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4::SigningParams;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

use crate::store::client::{Order, Trouble};

/// Signs requests of one store.
pub(super) struct Signer {
    access_key: SecretString,
    secret_key: SecretString,
    region: String,
}

impl Signer {
    pub(super) fn new(access_key: SecretString, secret_key: SecretString, region: String) -> Self {
        Self { access_key, secret_key, region }
    }

    /// A server's words without our keys, which some servers repeat.
    pub(super) fn without_keys(&self, words: &str) -> String {
        let keys = [self.secret_key.expose_secret(), self.access_key.expose_secret()];
        keys.into_iter().fold(words.to_owned(), |words, key| words.replace(key, "***"))
    }

    /// Signs an order with all its headers, to be sent with `body`. The signature lasts for a quarter of an hour
    /// (Signature Version 4, "Timing"), longer than an order is repeated for.
    pub(super) fn sign<'a>(&self, order: Order<'a>, body: &[u8], now: SystemTime) -> Result<Order<'a>, Trouble> {
        let unfit = |why: &str| Trouble::Setup(format!("the request could not be signed: {why}"));
        let mut settings = SigningSettings::default();
        // S3's own ways: the body's hash in a header, and paths as they are.
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let (access, secret) = (self.access_key.expose_secret(), self.secret_key.expose_secret());
        let identity = Credentials::new(access, secret, None, None, "s3_store_access_key").into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(now)
            .settings(settings)
            .build()
            .map_err(|_| unfit("a parameter is missing"))?
            .into();
        let text = |(name, value): (&'_ HeaderName, &'_ HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers: Vec<_> = order.headers().iter().filter_map(text).collect();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request =
            SignableRequest::new(order.method().as_str(), order.url().as_str(), headers, SignableBody::Bytes(body))
                .map_err(|_| unfit("its address is none"))?;
        let (instructions, _) = sign(request, &params).map_err(|_| unfit("the keys do not serve"))?.into_parts();
        let (signed, _) = instructions.into_parts();
        let mut order = order;
        for header in signed {
            let name = HeaderName::from_static(header.name());
            order = order.secret_header(name, &SecretString::from(header.value().to_owned()))?;
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// The keys and the time of Amazon's examples ("Signature Calculations for the Authorization Header").
    fn signer() -> Signer {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        Signer::new("AKIAIOSFODNN7EXAMPLE".into(), secret.into(), "us-east-1".to_owned())
    }

    fn signature(order: Order<'_>) -> String {
        let order = signer().sign(order, b"", UNIX_EPOCH + Duration::from_secs(1_369_353_600)).unwrap();
        let authorization = order.headers()["authorization"].to_str().unwrap();
        authorization.rsplit_once('=').unwrap().1.to_owned()
    }

    #[test]
    fn signs_as_amazons_examples() {
        let url = |query: &str| format!("https://examplebucket.s3.amazonaws.com/{query}").parse().unwrap();
        assert_eq!(
            signature(Order::get(url("?lifecycle"))),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            signature(Order::get(url("?max-keys=2&prefix=J"))),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn no_key_is_repeated() {
        let words = "AKIAIOSFODNN7EXAMPLE is unknown, wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY too";
        assert_eq!(signer().without_keys(words), "*** is unknown, *** too");
    }
}
