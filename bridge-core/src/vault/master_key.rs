//! Where the master key comes from. (Being extended.)
