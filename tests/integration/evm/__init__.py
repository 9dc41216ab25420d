"""The chain itself keeps what it promises: contracts, Safes, gas, reorganisations, tokens with habits."""
