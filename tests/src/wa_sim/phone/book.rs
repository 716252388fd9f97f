//! All phones of a simulator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Phone, PhoneError, PhoneOptions};
use crate::wa_sim::hub::Hub;

/// The push name of the account that unnamed companions are linked to.
const DEFAULT_NAME: &str = "Simulated phone";

/// The phones, by number. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PhoneBook {
    hub: Hub,
    phones: Arc<Mutex<Phones>>,
}

#[derive(Debug, Default)]
struct Phones {
    by_number: BTreeMap<String, Arc<Phone>>,
    by_name: BTreeMap<String, String>,
    made: u64,
}

impl PhoneBook {
    /// Starts without any phone.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self {
            hub,
            phones: Arc::default(),
        }
    }

    /// The server that the phones talk to.
    #[must_use]
    pub const fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Makes a phone and brings it online. Which keys it gets depends only on
    /// the seed and on how many were made before.
    ///
    /// # Errors
    /// If the number is taken.
    pub fn create(&self, options: PhoneOptions) -> Result<Arc<Phone>, PhoneError> {
        self.create_in(&mut self.phones(), options)
    }

    fn create_in(
        &self,
        phones: &mut Phones,
        options: PhoneOptions,
    ) -> Result<Arc<Phone>, PhoneError> {
        let name = options.push_name.clone();
        let phone = Phone::create(&self.hub, options, phones.made)?;
        phones.made += 1;
        phones
            .by_number
            .insert(phone.number().to_owned(), phone.clone());
        if !name.is_empty() {
            phones
                .by_name
                .entry(name)
                .or_insert_with(|| phone.number().to_owned());
        }
        Ok(phone)
    }

    /// The phone with this number, however it is written.
    ///
    /// # Errors
    /// [`PhoneError::NoPhone`].
    pub fn get(&self, number: &str) -> Result<Arc<Phone>, PhoneError> {
        let user = number.split('@').next().unwrap_or_default();
        let digits: String = user.chars().filter(char::is_ascii_digit).collect();
        let found = self.phones().by_number.get(&digits).cloned();
        found.ok_or_else(|| PhoneError::NoPhone(number.to_owned()))
    }

    /// The phone that companions with this push name belong to; made on first
    /// use. Companions without a name share one phone.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn for_push_name(&self, name: Option<&str>) -> Result<Arc<Phone>, PhoneError> {
        let name = name.filter(|name| !name.is_empty()).unwrap_or(DEFAULT_NAME);
        let mut phones = self.phones();
        let known = phones
            .by_name
            .get(name)
            .and_then(|number| phones.by_number.get(number));
        if let Some(phone) = known {
            return Ok(phone.clone());
        }
        let options = PhoneOptions {
            push_name: name.to_owned(),
            ..PhoneOptions::default()
        };
        self.create_in(&mut phones, options)
    }

    /// All phones, by number.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Phone>> {
        self.phones().by_number.values().cloned().collect()
    }

    fn phones(&self) -> MutexGuard<'_, Phones> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
