// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

// Ether on ways that a list of transactions does not show, and recipients that make trouble.

/// Passes ether and calls on: the money reaches its recipient inside somebody else's transaction.
contract Forwarder {
    receive() external payable {}

    /// Passes all of it on, with all the gas there is.
    function forward(address payable to) external payable {
        (bool done,) = to.call{value: msg.value}("");
        require(done, "not taken");
    }

    /// Passes it on with the 2,300 gas of an old-fashioned transfer.
    function forwardByTransfer(address payable to) external payable {
        assembly {
            if iszero(call(0, to, callvalue(), 0, 0, 0, 0)) { revert(0, 0) }
        }
    }

    /// Pays several at once; what is left stays here.
    function forwardToMany(address payable[] calldata to, uint256[] calldata values) external payable {
        for (uint256 i = 0; i < to.length; i++) {
            (bool done,) = to[i].call{value: values[i]}("");
            require(done, "not taken");
        }
    }

    /// Pays, and then undoes that payment alone: the transaction succeeds and nothing has arrived.
    function forwardAndUndo(address payable to) external payable {
        try this.payAndRevert{value: msg.value}(to) {} catch {}
    }

    function payAndRevert(address payable to) external payable {
        (bool done,) = to.call{value: msg.value}("");
        require(!done, "undone");
    }

    /// Calls anything, as a stranger's contract would that relays what was signed for somebody else.
    function relay(address target, bytes calldata data) external payable returns (bytes memory) {
        (bool done, bytes memory answer) = target.call{value: msg.value}(data);
        if (!done) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
        return answer;
    }
}

/// Holds ether and leaves it to an heir: no call reaches the heir, who cannot refuse.
contract SelfDestructor {
    constructor() payable {}

    receive() external payable {}

    function destroy(address payable heir) external payable {
        selfdestruct(heir);
    }
}

/// The same within one transaction, of which nothing is left but the money.
contract SelfDestructorAtBirth {
    constructor(address payable heir) payable {
        selfdestruct(heir);
    }
}

/// Takes no ether and answers no call.
contract Rejecter {
    receive() external payable {
        revert("no, thank you");
    }
}

/// Takes ether and burns about `appetite` gas over it.
contract GasBurner {
    uint256 public immutable appetite;

    constructor(uint256 appetite_) {
        appetite = appetite_;
    }

    receive() external payable {
        burn();
    }

    fallback() external payable {
        burn();
    }

    function burn() private view {
        uint256 before = gasleft();
        while (before - gasleft() < appetite) {}
    }
}

/// Logs what it likes, in the words of others: a log is worth what the contract behind it is worth.
contract LogForger {
    event ExecutionSuccess(bytes32 indexed txHash, uint256 payment);
    event ExecutionFailure(bytes32 indexed txHash, uint256 payment);
    event SafeReceived(address indexed sender, uint256 value);
    event Transfer(address indexed from, address indexed to, uint256 value);

    function success(bytes32 txHash) external {
        emit ExecutionSuccess(txHash, 0);
    }

    function failure(bytes32 txHash) external {
        emit ExecutionFailure(txHash, 0);
    }

    function received(address sender, uint256 value) external {
        emit SafeReceived(sender, value);
    }

    function moved(address from, address to, uint256 value) external {
        emit Transfer(from, to, value);
    }
}
