//! Places: one test in each place where something has to hold.

/// `in_places! { [TEST: PLACE, ..] NAME(place) { .. } .. }`: each body is a check, and each check a test
/// in each of the places.
macro_rules! in_places {
    (@ [$($test:ident: $at:ident),+] $name:ident($place:ident) $body:block) => {
        mod $name {
            use super::*;
            $(
                #[test]
                fn $test() {
                    needs!(In(Place::$at));
                    check(Place::$at);
                }
            )+
            fn check($place: Place) $body
        }
    };
    ($places:tt $($name:ident($place:ident) $body:block)+) => {
        $($crate::places::in_places! { @ $places $name($place) $body })+
    };
}

/// The same, everywhere.
macro_rules! in_every_place {
    ($($checks:tt)+) => {
        $crate::places::in_places! {
            [as_root: Root, as_user: User, as_user_with_subids: UserWithSubids, in_v2_guest: GuestRoot]
            $($checks)+
        }
    };
}

pub(crate) use {in_every_place, in_places};
