//! Lists that stand in several files, as one.

/// How many there are in all lists.
pub(crate) const fn count<T>(lists: &[&[T]]) -> usize {
    let (mut count, mut list) = (0, 0);
    while list < lists.len() {
        count += lists[list].len();
        list += 1;
    }
    count
}

/// All lists as one of this length; `blank` fills it until then.
pub(crate) const fn joined<T: Copy, const COUNT: usize>(lists: &[&[T]], blank: T) -> [T; COUNT] {
    let mut all = [blank; COUNT];
    let (mut at, mut list) = (0, 0);
    while list < lists.len() {
        let mut one = 0;
        while one < lists[list].len() {
            all[at] = lists[list][one];
            at += 1;
            one += 1;
        }
        list += 1;
    }
    all
}
