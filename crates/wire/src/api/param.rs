//! The words of a parameter: where it is, its type, its bounds. How they are enforced is in `decode` (types)
//! and `validate` (bounds).

/// Where a parameter is in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Location {
    /// A variable of the path.
    Url,
    /// The query string.
    Query,
    /// The body's wrapper object.
    Body,
}

impl Location {
    /// As the public reference writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Query => "query",
            Self::Body => "body",
        }
    }
}

/// The type of a parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// Text; numbers and booleans are taken as their text.
    Text,
    /// A whole number of 64 bits; text that is one is taken.
    Int,
    /// True or false; the words are taken in any case.
    Bool,
    /// A list of texts.
    List,
    /// A list of objects, each with the parameters of another call; `range` says how many.
    Objects,
}

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name on the wire.
    pub name: &'static str,
    /// Where it is.
    pub location: Location,
    /// Its type.
    pub ty: Type,
    /// Whether it must be there and not null.
    pub required: bool,
    /// Longest text, in UTF-16 units.
    pub max_units: Option<usize>,
    /// Smallest and largest number; of a list of objects, how many.
    pub range: Option<(i64, i64)>,
    /// The only values it may have; empty = any.
    pub allowed: &'static [&'static str],
    /// The resource type its uuid names: `LongJobVO`.
    pub resource: Option<&'static str>,
    /// What it means, for the OpenAPI document.
    pub description: &'static str,
}

impl Param {
    const fn new(location: Location, ty: Type, name: &'static str, description: &'static str) -> Self {
        Self {
            name,
            location,
            ty,
            required: false,
            max_units: None,
            range: None,
            allowed: &[],
            resource: None,
            description,
        }
    }

    /// A path variable; always required.
    pub const fn url(name: &'static str, description: &'static str) -> Self {
        Self::new(Location::Url, Type::Text, name, description).required()
    }

    /// The uuid of a resource in the path; always required.
    pub const fn url_of(resource: &'static str, name: &'static str, description: &'static str) -> Self {
        Self::url(name, description).of(resource)
    }

    /// A parameter of the query string.
    pub const fn query(ty: Type, name: &'static str, description: &'static str) -> Self {
        Self::new(Location::Query, ty, name, description)
    }

    /// A text in the body.
    pub const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(Location::Body, Type::Text, name, description)
    }

    /// A number in the body.
    pub const fn int(name: &'static str, description: &'static str) -> Self {
        Self::new(Location::Body, Type::Int, name, description)
    }

    /// True or false in the body.
    pub const fn flag(name: &'static str, description: &'static str) -> Self {
        Self::new(Location::Body, Type::Bool, name, description)
    }

    /// A list in the body.
    pub const fn list(name: &'static str, description: &'static str) -> Self {
        Self::new(Location::Body, Type::List, name, description)
    }

    /// A list of objects in the body.
    pub const fn objects(name: &'static str, description: &'static str) -> Self {
        Self::new(Location::Body, Type::Objects, name, description)
    }

    /// It must be there.
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// At most so many UTF-16 units.
    pub const fn max(self, units: usize) -> Self {
        Self { max_units: Some(units), ..self }
    }

    /// From `low` to `high`, both included.
    pub const fn range(self, low: i64, high: i64) -> Self {
        Self { range: Some((low, high)), ..self }
    }

    /// One of these.
    pub const fn one_of(self, allowed: &'static [&'static str]) -> Self {
        Self { allowed, ..self }
    }

    /// The uuid of such a resource.
    pub const fn of(self, resource: &'static str) -> Self {
        Self { resource: Some(resource), ..self }
    }
}

/// `resourceUuid` of every create.
pub(super) const RESOURCE_UUID: Param = Param::text(
    "resourceUuid",
    "Uuid of the new resource, chosen by the caller: 32 lower-case hex digits of a version 1 to 5 UUID",
);
/// `tagUuids` of every create.
pub(super) const TAG_UUIDS: Param = Param::list(
    "tagUuids",
    "Uuids of tag patterns to put on the new resource; no installation has any, so each is refused",
)
.of("TagPatternVO");
/// `deleteMode` of deletes that have it.
pub(super) const DELETE_MODE: Param = Param::query(
    Type::Text,
    "deleteMode",
    "`Permissive` (default; an empty value means it) lets dependants refuse; `Enforcing` does not ask them",
)
.one_of(&["Permissive", "Enforcing"]);
