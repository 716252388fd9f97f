//! The server's static key and the certificates that vouch for it.
//!
//! The chain is complete and properly signed, under a root that only the
//! simulator knows: a client that checks against WhatsApp's real root must
//! refuse it.

use loong_proto::wire::{CertChain, CertDetails, NoiseCertificate};
use prost::Message as _;
use whatsapp_rust::wacore::libsignal::protocol::PrivateKey;
use x25519_dalek::{PublicKey, StaticSecret};

use super::seed;

/// September 2020: certificates are valid from here …
pub const NOT_BEFORE: u64 = 1_600_000_000;
/// … until October 2096.
pub const NOT_AFTER: u64 = 4_000_000_000;

/// Why a chain could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign a certificate: {0}")]
pub struct CertError(String);

/// The server's key pair and its certificates.
pub struct ServerIdentity {
    secret: StaticSecret,
    root: [u8; 32],
    leaf: CertDetails,
    intermediate: CertDetails,
    chain: CertChain,
    encoded: Vec<u8>,
}

impl std::fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerIdentity")
            .field("leaf", &self.leaf)
            .finish_non_exhaustive()
    }
}

impl ServerIdentity {
    /// Makes the identity of a simulator with this seed; `generation` counts
    /// how often its static key was replaced.
    ///
    /// # Errors
    /// When signing fails, which it does not for keys of the right size.
    pub fn from_seed(seed: u64, generation: u32) -> Result<Self, CertError> {
        let secret = |label: &str| StaticSecret::from(seed::bytes(seed, label));
        let (root, issuer) = (secret("root"), secret("intermediate"));
        let own = secret(&format!("server static {generation}"));
        let intermediate = details(1, 0, &issuer);
        let leaf = details(2, 1, &own);
        let chain = CertChain {
            leaf: Some(sign(&leaf, &issuer, seed)?),
            intermediate: Some(sign(&intermediate, &root, seed)?),
        };
        Ok(Self {
            root: PublicKey::from(&root).to_bytes(),
            secret: own,
            leaf,
            intermediate,
            encoded: chain.encode_to_vec(),
            chain,
        })
    }

    /// The static private key.
    pub(crate) fn secret(&self) -> &StaticSecret {
        &self.secret
    }

    /// The static public key, as a client caches it for resumption.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        PublicKey::from(&self.secret).to_bytes()
    }

    /// The public key that signs the intermediate certificate.
    #[must_use]
    pub fn root_public(&self) -> [u8; 32] {
        self.root
    }

    /// The chain as a message.
    #[must_use]
    pub fn chain(&self) -> &CertChain {
        &self.chain
    }

    /// The chain as it goes over the wire.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// What the leaf certificate says.
    #[must_use]
    pub fn leaf(&self) -> &CertDetails {
        &self.leaf
    }

    /// What the intermediate certificate says.
    #[must_use]
    pub fn intermediate(&self) -> &CertDetails {
        &self.intermediate
    }
}

fn details(serial: u32, issuer: u32, key: &StaticSecret) -> CertDetails {
    CertDetails {
        serial: Some(serial),
        issuer_serial: Some(issuer),
        key: Some(PublicKey::from(key).to_bytes().to_vec()),
        not_before: Some(NOT_BEFORE),
        not_after: Some(NOT_AFTER),
    }
}

fn sign(
    details: &CertDetails,
    issuer: &StaticSecret,
    seed: u64,
) -> Result<NoiseCertificate, CertError> {
    let error = |e: &dyn std::fmt::Display| CertError(e.to_string());
    let key = PrivateKey::deserialize(issuer.as_bytes()).map_err(|e| error(&e))?;
    let details = details.encode_to_vec();
    let mut rng = seed::rng(seed, "certificate signatures");
    let signature = key
        .calculate_signature(&details, &mut rng)
        .map_err(|e| error(&e))?;
    Ok(NoiseCertificate {
        details: Some(details),
        signature: Some(signature.to_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use whatsapp_rust::wacore::libsignal::protocol::PublicKey as SigningKey;

    fn verifies(key: &[u8], certificate: &NoiseCertificate) -> bool {
        let key = SigningKey::from_djb_public_key_bytes(key).unwrap();
        key.verify_signature(certificate.details(), certificate.signature())
    }

    #[test]
    fn every_certificate_is_signed_by_the_one_above() {
        let identity = ServerIdentity::from_seed(1, 0).unwrap();
        let chain = CertChain::decode(identity.encoded()).unwrap();
        let (leaf, intermediate) = (chain.leaf.unwrap(), chain.intermediate.unwrap());
        let above = CertDetails::decode(intermediate.details()).unwrap();
        assert!(verifies(&identity.root_public(), &intermediate));
        assert!(verifies(above.key(), &leaf));
        assert!(!verifies(&identity.root_public(), &leaf));
        let own = CertDetails::decode(leaf.details()).unwrap();
        assert_eq!((own.serial(), own.issuer_serial()), (2, 1));
        assert_eq!((above.serial(), above.issuer_serial()), (1, 0));
        assert_eq!(own.key(), identity.public());
    }

    /// Clients keep the key: a session handed out by an older build must still
    /// be welcome. The bytes were computed once with another implementation.
    #[test]
    fn the_certificates_of_seed_1_have_these_bytes() {
        let root = "7ae7edb42ff1f667b0831d99f3dec0e383cfc9b734ce66e4fa63ae80fa419a31";
        let intermediate = "080110001a202c42f543cc7c849d279ea3406e5256c080812dad6fd737aaeef9a77954c046112080a0f8fa052880d0acf30e";
        let leaf = "080210011a203a3c1e2c1c15d0ead51fca7fc53adedd1313dbe604b0006c44b3198830671d092080a0f8fa052880d0acf30e";
        let identity = ServerIdentity::from_seed(1, 0).unwrap();
        assert_eq!(hex::encode(identity.root_public()), root);
        let chain = identity.chain();
        let details = |certificate: &Option<NoiseCertificate>| {
            let certificate = certificate.as_ref().map(NoiseCertificate::details);
            hex::encode(certificate.unwrap_or_default())
        };
        assert_eq!(details(&chain.intermediate), intermediate);
        assert_eq!(details(&chain.leaf), leaf);
        assert!(leaf.contains(&hex::encode(identity.public())));
    }

    #[test]
    fn a_seed_fixes_the_chain_and_a_generation_changes_the_key() {
        let make = |seed, generation| ServerIdentity::from_seed(seed, generation).unwrap();
        assert_eq!(make(5, 0).encoded(), make(5, 0).encoded());
        assert_ne!(make(5, 0).public(), make(5, 1).public());
        assert_eq!(make(5, 0).root_public(), make(5, 1).root_public());
        assert_ne!(make(5, 0).public(), make(6, 0).public());
    }
}
