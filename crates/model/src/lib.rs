//! Decision models: MDP, POMDP and ambiguous POMDP as one validated type, and families of them.
