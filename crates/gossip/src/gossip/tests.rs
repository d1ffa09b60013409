mod basics;
mod bounds;
mod faults;
mod identity;
