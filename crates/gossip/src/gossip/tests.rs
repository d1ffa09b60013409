mod basics;
mod bounds;
mod faults;
mod figures;
mod identity;
