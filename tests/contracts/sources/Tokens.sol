// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.37;

// Tokens as they are met on mainnet, each with one habit. All are test contracts: anybody may mint, block and pause.

/// A plain ERC-20, and what the others are made of. A move is `_move` (balances) and `_tell` (logs).
contract Token {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    string public name;
    string public symbol;
    uint8 public immutable decimals;
    uint256 public totalSupply;
    mapping(address => uint256) internal balances;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor(string memory symbol_, uint8 decimals_, address holder, uint256 supply) {
        name = symbol_;
        symbol = symbol_;
        decimals = decimals_;
        mint(holder, supply);
    }

    function mint(address to, uint256 value) public {
        totalSupply += value;
        balances[to] += value;
        emit Transfer(address(0), to, value);
    }

    function balanceOf(address owner) public view virtual returns (uint256) {
        return balances[owner];
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external virtual returns (bool) {
        _transfer(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external virtual returns (bool) {
        allowance[from][msg.sender] -= value;
        _transfer(from, to, value);
        return true;
    }

    function _transfer(address from, address to, uint256 value) internal virtual {
        _move(from, to, value);
        emit Transfer(from, to, value);
    }

    function _move(address from, address to, uint256 value) internal virtual {
        require(balances[from] >= value, "balance too low");
        balances[from] -= value;
        balances[to] += value;
    }
}

/// Keeps 1 % of every move for itself and says so in a second log.
contract FeeToken is Token {
    constructor(string memory s, uint8 d, address h, uint256 n) Token(s, d, h, n) {}

    function _transfer(address from, address to, uint256 value) internal override {
        uint256 fee = value / 100;
        _move(from, to, value - fee);
        _move(from, address(this), fee);
        emit Transfer(from, to, value - fee);
        emit Transfer(from, address(this), fee);
    }
}

/// Moves one half of what its log says.
contract LyingToken is Token {
    constructor(string memory s, uint8 d, address h, uint256 n) Token(s, d, h, n) {}

    function _transfer(address from, address to, uint256 value) internal override {
        _move(from, to, value / 2);
        emit Transfer(from, to, value);
    }
}

/// Logs every move twice, as a token does that was put in front of an older one.
contract TwoLogsToken is Token {
    constructor(string memory s, uint8 d, address h, uint256 n) Token(s, d, h, n) {}

    function _transfer(address from, address to, uint256 value) internal override {
        _move(from, to, value);
        emit Transfer(from, to, value);
        emit Transfer(from, to, value);
    }
}

/// Moves and logs nothing.
contract SilentToken is Token {
    constructor(string memory s, uint8 d, address h, uint256 n) Token(s, d, h, n) {}

    function _transfer(address from, address to, uint256 value) internal override {
        _move(from, to, value);
    }
}

/// Answers false: without moving anything, or, after `setMoves(true)`, having moved all the same.
contract FalseToken is Token {
    bool public moves;

    constructor(string memory s, uint8 d, address h, uint256 n) Token(s, d, h, n) {}

    function setMoves(bool moves_) external {
        moves = moves_;
    }

    function transfer(address to, uint256 value) external override returns (bool) {
        if (moves) _transfer(msg.sender, to, value);
        return false;
    }

    function transferFrom(address, address, uint256) external pure override returns (bool) {
        return false;
    }
}

/// Refuses whoever was blocked, as sender and as recipient.
contract BlockingToken is Token {
    mapping(address => bool) public blocked;

    constructor(string memory s, uint8 d, address h, uint256 n) Token(s, d, h, n) {}

    function setBlocked(address who, bool blocked_) external {
        blocked[who] = blocked_;
    }

    function _move(address from, address to, uint256 value) internal override {
        require(!blocked[from] && !blocked[to], "blocked");
        super._move(from, to, value);
    }
}

/// Moves nothing while it is paused.
contract PausableToken is Token {
    bool public paused;

    constructor(string memory s, uint8 d, address h, uint256 n) Token(s, d, h, n) {}

    function setPaused(bool paused_) external {
        paused = paused_;
    }

    function _move(address from, address to, uint256 value) internal override {
        require(!paused, "paused");
        super._move(from, to, value);
    }
}

/// Balances grow and shrink by themselves, without a log: `rebase(numerator, denominator)`.
contract RebasingToken is Token {
    uint256 public numerator = 1;
    uint256 public denominator = 1;

    constructor(string memory s, uint8 d, address h, uint256 n) Token(s, d, h, n) {}

    function rebase(uint256 numerator_, uint256 denominator_) external {
        numerator = numerator_;
        denominator = denominator_;
    }

    function balanceOf(address owner) public view override returns (uint256) {
        return balances[owner] * numerator / denominator;
    }

    function _move(address from, address to, uint256 value) internal override {
        super._move(from, to, value * denominator / numerator);
    }
}

interface TokenRecipient {
    function tokensReceived(address from, uint256 value) external;
}

/// Calls a recipient that is a contract, after it moved and before it logs, whatever the call does.
contract HookToken is Token {
    constructor(string memory s, uint8 d, address h, uint256 n) Token(s, d, h, n) {}

    function _transfer(address from, address to, uint256 value) internal override {
        _move(from, to, value);
        if (to.code.length > 0) {
            try TokenRecipient(to).tokensReceived(from, value) {} catch {}
        }
        emit Transfer(from, to, value);
    }
}

/// A token older than the rule that a move answers: nothing comes back.
contract NoReturnToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    string public symbol;
    uint8 public immutable decimals;
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor(string memory symbol_, uint8 decimals_, address holder, uint256 supply) {
        symbol = symbol_;
        decimals = decimals_;
        balanceOf[holder] = supply;
        emit Transfer(address(0), holder, supply);
    }

    function approve(address spender, uint256 value) external {
        allowance[msg.sender][spender] = value;
    }

    function transfer(address to, uint256 value) external {
        _move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external {
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
    }

    function _move(address from, address to, uint256 value) private {
        require(balanceOf[from] >= value);
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}
