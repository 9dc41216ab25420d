// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

// Tokens that say odd things of themselves, for whoever registers one. Balances are whatever is convenient.

/// Older than the rule that a name is a string.
contract OldNamedToken {
    bytes32 public constant symbol = "OLD";
    uint8 public constant decimals = 6;

    function balanceOf(address) external pure returns (uint256) {
        return 1;
    }
}

/// Its symbol has a megabyte.
contract LongNamedToken {
    uint8 public constant decimals = 6;

    function symbol() external pure returns (string memory) {
        bytes memory found = new bytes(1 << 20);
        for (uint256 place = 0; place < 64; place++) found[place] = "L";
        return string(found);
    }

    function balanceOf(address) external pure returns (uint256) {
        return 1;
    }
}

/// Says nothing but what somebody has.
contract NamelessToken {
    function balanceOf(address) external pure returns (uint256) {
        return 1;
    }
}

/// Answers every question with the same few bytes, so it has no balances.
contract Parrot {
    fallback() external payable {
        assembly {
            mstore(0, 0x0600000000000000000000000000000000000000000000000000000000000000)
            return(0, 1)
        }
    }
}

/// Its symbol claims more bytes than it has, and its decimals are past a byte.
contract BoastingToken {
    function symbol() external pure {
        assembly {
            mstore(0, 32)
            mstore(32, not(0))
            return(0, 64)
        }
    }

    function decimals() external pure returns (uint256) {
        return type(uint256).max;
    }

    function balanceOf(address) external pure returns (uint256) {
        return 1;
    }
}
