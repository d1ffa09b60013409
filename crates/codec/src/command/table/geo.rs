//! Commands on places.

use super::{Command, MANY_KEYS, ONE_KEY, Rule, Shape, TWO_KEYS, command};
use crate::command::flags::{DENYOOM, MOVABLEKEYS, READONLY, WRITE};

#[rustfmt::skip]
pub(super) const ROWS: &[Command] = &[
    command("geoadd", -5, WRITE | DENYOOM, ONE_KEY, "3.2.0", Rule::Sequenced, "Add one or more geospatial items in the geospatial index represented using a sorted set"),
    command("geodist", -4, READONLY, ONE_KEY, "3.2.0", Rule::Read, "Returns the distance between two members of a geospatial index"),
    command("geohash", -2, READONLY, ONE_KEY, "3.2.0", Rule::Read, "Returns members of a geospatial index as standard geohash strings"),
    command("geopos", -2, READONLY, ONE_KEY, "3.2.0", Rule::Read, "Returns longitude and latitude of members of a geospatial index").shape(Shape::Positions),
    command("georadius", -6, WRITE | DENYOOM | MOVABLEKEYS, ONE_KEY, "3.2.0", Rule::GeoRadius, "Query a sorted set representing a geospatial index to fetch members matching a given maximum distance from a point").shape(Shape::Coordinates),
    command("georadius_ro", -6, READONLY, ONE_KEY, "3.2.10", Rule::Read, "A read-only variant for GEORADIUS").shape(Shape::Coordinates),
    command("georadiusbymember", -5, WRITE | DENYOOM | MOVABLEKEYS, ONE_KEY, "3.2.0", Rule::GeoRadius, "Query a sorted set representing a geospatial index to fetch members matching a given maximum distance from a member").shape(Shape::Coordinates),
    command("georadiusbymember_ro", -5, READONLY, ONE_KEY, "3.2.10", Rule::Read, "A read-only variant for GEORADIUSBYMEMBER").shape(Shape::Coordinates),
    command("geosearch", -7, READONLY, ONE_KEY, "6.2.0", Rule::Read, "Query a sorted set representing a geospatial index to fetch members inside an area of a box or a circle.").shape(Shape::Coordinates),
    command("geosearchstore", -8, WRITE | DENYOOM, TWO_KEYS, "6.2.0", Rule::Unsupported(MANY_KEYS), "Query a sorted set representing a geospatial index to fetch members inside an area of a box or a circle, and store the result in another key."),
];
