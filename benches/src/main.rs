//! Lists what is measured: how many elements one batch has, a tab, the name. An argument leaves only the names that
//! contain it.

use dynomite_benches::selected;

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    for case in selected(&filter) {
        println!("{}\t{}", case.elements, case.name);
    }
}
