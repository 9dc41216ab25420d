"""Events: every change of an object, told once, in the order in which the changes became true, for ever."""
